"""Faults of the machine while a store is written, told with what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deltalake.exceptions import DeltaError

from pipeline.errors import StoreWriteError

OF_MACHINE: Final = (OSError, DeltaError, sqlite3.OperationalError)
"""What is raised where a disk, or object storage, fails."""

_LAID_OUT: Final = re.compile(r"(?:\x1b\[[0-9;]*m|↳|\s)+")


@contextmanager
def write_failures() -> Iterator[None]:
    """Say what to do when the disk is full, read-only, or otherwise gives up."""
    try:
        yield
    except OF_MACHINE as error:
        told = plainly(error)
        raise StoreWriteError(
            f"資料庫無法寫入（{told}）。請清出磁碟空間或修正權限後再執行一次；"
            "資料仍是這一批之前或之後的完整狀態",
            f"The store can't be written ({told}). Free disk space or mend the permissions and "
            "run again; the data is whole, as before or after this batch",
        ) from error


def commit_failed() -> StoreWriteError:
    """An earlier commit of this open store failed, so nothing more can be taken in."""
    return StoreWriteError(
        "先前的寫入失敗，資料庫須關閉後重新開啟；已完成的批次不受影響",
        "An earlier commit failed; the store must be closed and opened anew. What was committed "
        "stands",
    )


def plainly(error: Exception) -> str:
    """What went wrong in one line: delta-rs lays its errors out as coloured trees, obstore appends
    what it is made of."""
    return _LAID_OUT.sub(" ", str(error).partition("Debug source:")[0]).strip()

"""What processes of their own do to one store on object storage, racing each other.

Run as a program it is a recorder: it commits a visit a batch and prints the batch's number, until
it has lost the store.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from deltalake.exceptions import DeltaError

from pipeline.store.delta import DeltaTables, TableCommit
from pipeline.store.layout import layout_of
from pipeline.store.opening import open_tables

TABLE: Final = "visits"
ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 120.0
_TOGETHER_SECONDS: Final = 0.02  # else who is ahead stays ahead
LOST: Final = re.compile(r"Store(Lost|Write)Error")


def create_files(uri: str, count: int, at: float) -> list[int]:
    """Create so many files from a moment on; gives which of them this process made."""
    files, made = layout_of(uri).files, list[int]()
    for number in range(count):
        _wait_for(at + number * _TOGETHER_SECONDS)
        try:
            files.create(f"race/{number}", b"mine")
        except FileExistsError:
            continue
        made.append(number)
    return made


def commit_versions(uri: str, count: int, at: float) -> list[int]:
    """Bring a table to so many versions from a moment on; gives which this process committed."""
    layout, made = layout_of(uri), list[int]()
    _wait_for(at)
    for batch in range(1, count + 1):
        tables = DeltaTables(layout)
        if tables.committed(TABLE) >= batch:
            continue
        try:
            tables.commit(TableCommit(TABLE, ()), batch, 0)
        except DeltaError:
            continue
        made.append(batch)
    return made


def record(uri: str) -> None:
    """Commit a visit a batch, until the store is lost."""
    from store_tables import put_visits

    with open_tables(uri, recording=True, wait_seconds=0) as committer:
        while True:
            number = committer.batch + 1
            put_visits(committer, [(f"k{number}", number)])
            print(number, flush=True)


class Recorder:
    """A process that is ``record``, which must end with a fault within the context."""

    def __init__(self, uri: str) -> None:
        paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.s3.racing", uri], env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def next_batch(self) -> int:
        """The batch it commits next."""
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def tell(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def rest(self) -> list[int]:
        """What it has committed besides, once it has lost the store."""
        told, fault = self._process.communicate(timeout=PATIENCE)
        assert LOST.search(fault), fault
        return [int(line) for line in told.split()]


def _wait_for(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


if __name__ == "__main__":
    record(sys.argv[1])

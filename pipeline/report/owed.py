"""EDGE: which receipts a folder may lack after a crash.

``.pending/owed`` names the uploads whose receipts are being made, a line each, durable before
their outcome is. It goes when all of them are in the folder and durable; what a later run finds in
it, that run writes again from the store.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pipeline.store.files import sync_folder
from pipeline.upload_ids import LENGTH

OWED: Final = "owed"
_LINE = re.compile(rf"^([0-9A-Z]{{{LENGTH}}})$", re.MULTILINE)  # a torn line names nothing


class Owed:
    """The list in one folder of receipts. Raises ``OSError``."""

    def __init__(self, pending: Path) -> None:
        self._pending = pending
        self._path = pending / OWED

    def uploads(self) -> list[str]:
        """The uploads on the list, each once."""
        try:
            return list(dict.fromkeys(_LINE.findall(self._path.read_text("ascii", "replace"))))
        except FileNotFoundError:
            return []

    def add(self, upload_ids: Iterable[str]) -> None:
        """Put uploads on the list, durably."""
        new = not self._path.exists()
        with self._path.open("a", encoding="ascii") as file:
            file.write("".join(f"\n{upload_id}\n" for upload_id in upload_ids))
            file.flush()
            os.fsync(file.fileno())
        if new:
            for folder in (self._pending, self._pending.parent, self._pending.parent.parent):
                sync_folder(folder)

    def settled(self) -> None:
        """All are in the folder: make them durable, then forget the list."""
        if self._path.exists():
            _sync_file_system(self._pending.parent)
            self._path.unlink()


def _sync_file_system(folder: Path) -> None:
    """Make all durable that was written where a folder lies: one wait, however many files."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(handle):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
    finally:
        os.close(handle)

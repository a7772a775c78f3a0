"""EDGE: receipts as files in a folder, for uploads that have something to tell.

A receipt must not be seen before its outcome is durable, so the receipts of a batch are written
under ``.pending`` first and moved into the folder when told. What a crash leaves there is removed
by the next run; ``nhi-upload receipt`` gives any receipt again.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core import Processed
from pipeline.report.answer import answer_of
from pipeline.report.error_csv import error_csv
from pipeline.report.receipt import receipt
from pipeline.results import Receipted
from pipeline.version import ENGINE

_PENDING = ".pending"
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_STEM = 60


class ReceiptFolder:
    """A folder of receipts: ``NAME-UPLOAD_ID.txt`` (Big5) and ``.csv`` (UTF-8 with BOM).

    Raises ``OSError`` where it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending = folder / _PENDING
        shutil.rmtree(self._pending, ignore_errors=True)
        self._pending.mkdir(parents=True)
        self.written = 0

    def prepare(self, processed: Processed, uploads: Sequence[Receipted]) -> Callable[[], None]:
        """Write the receipts of a batch out of sight; gives what moves them into the folder."""
        names: list[str] = []
        for place, upload in enumerate(uploads):
            rows = processed.findings_of(place)
            if rows.start == rows.stop and processed.refusals[place] is None:
                continue
            answer = answer_of(processed, place, upload.sha256, ENGINE)
            name = f"{_stem(upload.name)}-{upload.upload_id}"
            (self._pending / f"{name}.txt").write_bytes(receipt(answer))
            (self._pending / f"{name}.csv").write_bytes(error_csv([answer]))
            names.append(name)
        return lambda: self._publish(names)

    def close(self) -> None:
        """Remove what was never to be seen."""
        shutil.rmtree(self._pending, ignore_errors=True)

    def _publish(self, names: Sequence[str]) -> None:
        for name in names:
            for file in (f"{name}.txt", f"{name}.csv"):
                (self._pending / file).replace(self._folder / file)
        self.written += len(names)


def _stem(name: str) -> str:
    """A sender's file name as part of ours: no separators, nothing hidden, not too long."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return _UNSAFE.sub("_", stem)[:_LONGEST_STEM] or "upload"

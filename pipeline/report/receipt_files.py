"""EDGE: receipts as files in a folder, for uploads that have something to tell.

A receipt must not be seen before its outcome is durable, so the receipts of a batch are written
under ``.pending`` first and moved into the folder when told. What a crash leaves there is removed
by the next run; ``nhi-upload receipt`` gives any receipt again.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.core import Processed
from pipeline.errors import ReceiptWriteError
from pipeline.outcome import Refusal
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.report.error_csv import error_csv
from pipeline.report.masking import without_ids
from pipeline.report.receipt import receipt
from pipeline.results import Receipted
from pipeline.version import ENGINE
from rules.plan import Plan

_PENDING = ".pending"
_UNSAFE = re.compile(r"[^\w.-]+")
_MOST_STEM_BYTES = 180  # of the 255 that a file name may have


class ReceiptFolder:
    """A folder of receipts: ``NAME-UPLOAD_ID.txt`` (Big5) and ``.csv`` (UTF-8 with BOM).

    Nothing is touched before the first receipt, when this run holds the store: another run that
    waits for it leaves the receipts of this one alone. Raises ``ReceiptWriteError``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending = folder / _PENDING
        self._opened = False

    def prepare(self, processed: Processed, uploads: Sequence[Receipted]) -> Callable[[], None]:
        """Write the receipts of a batch out of sight; gives what moves them into the folder."""
        return self._prepare(
            (_file_name(upload), answer_of(processed, place, upload.sha256, ENGINE))
            for place, upload in enumerate(uploads)
            if _worth_telling(processed, place)
        )

    def prepare_refused(
        self, refused: Sequence[tuple[Receipted, Refusal]], plan: Plan
    ) -> Callable[[], None]:
        """As ``prepare``, for uploads that could not be unpacked."""
        return self._prepare(
            (_file_name(one), unpacked_answer(one.sha256, refusal, plan, one.envelope, ENGINE))
            for one, refusal in refused
        )

    def close(self) -> None:
        """Remove what was never to be seen."""
        if self._opened:
            shutil.rmtree(self._pending, ignore_errors=True)

    def _prepare(self, answers: Iterable[tuple[str, Answer]]) -> Callable[[], None]:
        names: list[str] = []
        with _write_failures(self._folder):
            self._open()
            for name, answer in answers:
                (self._pending / f"{name}.txt").write_bytes(receipt(answer))
                (self._pending / f"{name}.csv").write_bytes(error_csv([answer]))
                names.append(name)
        return lambda: self._publish(names)

    def _open(self) -> None:
        if self._opened:
            return
        shutil.rmtree(self._pending, ignore_errors=True)
        self._pending.mkdir(parents=True, exist_ok=True)
        self._opened = True

    def _publish(self, names: Sequence[str]) -> None:
        with _write_failures(self._folder):
            for name in names:
                for file in (f"{name}.txt", f"{name}.csv"):
                    (self._pending / file).replace(self._folder / file)


def _worth_telling(processed: Processed, place: int) -> bool:
    rows = processed.findings_of(place)
    return rows.start != rows.stop or processed.refusals[place] is not None


def _file_name(upload: Receipted) -> str:
    return f"{_stem(upload.name)}-{upload.upload_id}"


def _stem(name: str) -> str:
    """A sender's file name as part of ours: no separators, nothing hidden, not too long."""
    stem = _UNSAFE.sub("_", without_ids(name).rpartition("/")[2].partition(".")[0])
    return stem.encode()[:_MOST_STEM_BYTES].decode("utf-8", "ignore") or "upload"


@contextmanager
def _write_failures(folder: Path) -> Iterator[None]:
    """Say what to do when the folder of receipts can't be written."""
    try:
        yield
    except OSError as error:
        raise ReceiptWriteError(
            f"回條資料夾 {folder} 無法寫入（{error.strerror}）。"
            "請清出磁碟空間或修正權限後再執行一次；"
            "已寫入資料庫的不受影響，回條可用 nhi-upload receipt 重印",
            f"The folder of receipts {folder} can't be written ({error.strerror}). Free disk space "
            "or mend the permissions and run again; what is in the store stands, and "
            "nhi-upload receipt gives its receipts again",
        ) from error

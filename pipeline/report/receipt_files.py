"""EDGE: receipts as files in a folder, for uploads that have something to tell.

A receipt must not be seen before its outcome is durable, so the receipts of a batch are written
under ``.pending`` first and moved into the folder when told. What a crash, or a full disk, kept
from there the next run into the folder writes again from the store (see ``pipeline.report.owed``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.core import Processed
from pipeline.errors import ReceiptWriteError
from pipeline.outcome import Refusal
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.report.error_csv import error_csv
from pipeline.report.masking import without_ids
from pipeline.report.owed import OWED, Owed
from pipeline.report.receipt import receipt
from pipeline.results import Receipted
from pipeline.version import ENGINE
from rules.plan import Plan

_PENDING = ".pending"
_UNSAFE = re.compile(r"[^\w.-]+")
_MOST_STEM_BYTES = 180  # of the 255 that a file name may have

Stored = Callable[[Sequence[str]], Iterable[tuple[str, Answer]]]
"""Upload ids → ids and answers of those of them that are in the store."""


class ReceiptFolder:
    """A folder of receipts: ``NAME-UPLOAD_ID.txt`` (Big5) and ``.csv`` (UTF-8 with BOM).

    Nothing is touched before the first receipt, when this run holds the store: another run that
    waits for it leaves the receipts of this one alone. Raises ``ReceiptWriteError``.
    """

    def __init__(self, folder: Path, stored: Stored | None = None) -> None:
        self._folder = folder
        self._pending = folder / _PENDING
        self._stored = stored
        self._owed = Owed(self._pending)
        self._opened = False
        self._unpublished = 0

    def begin(self) -> None:
        """This run holds the store: write the receipts that an earlier one owes."""
        with _write_failures(self._folder):
            owed = self._owed.uploads() if self._stored else []
        if self._pending.exists():
            self._write_stored(owed)

    def prepare(self, processed: Processed, uploads: Sequence[Receipted]) -> Callable[[], None]:
        """Write the receipts of a batch out of sight; gives what moves them into the folder."""
        told = [(i, one) for i, one in enumerate(uploads) if _worth_telling(processed, i)]
        return self._prepare(
            (
                (_file_name(one.name, one.upload_id), answer_of(processed, i, one.sha256, ENGINE))
                for i, one in told
            ),
            [one.upload_id for _, one in told],
        )

    def prepare_refused(
        self, refused: Sequence[tuple[Receipted, Refusal]], plan: Plan
    ) -> Callable[[], None]:
        """As ``prepare``, for uploads that could not be unpacked."""
        return self._prepare(
            (
                (
                    _file_name(one.name, one.upload_id),
                    unpacked_answer(one.sha256, refusal, plan, one.envelope, ENGINE),
                )
                for one, refusal in refused
            ),
            [one.upload_id for one, _ in refused],
        )

    def prepare_answers(
        self, answers: Iterable[tuple[str, Answer]], upload_ids: Sequence[str]
    ) -> Callable[[], None]:
        """As ``prepare``, for answers of these uploads, with their ids."""
        named = ((_file_name(answer.name, key), answer) for key, answer in answers)
        return self._prepare(named, upload_ids)

    def prepare_stored(self, upload_ids: Sequence[str]) -> Callable[[], None]:
        """Those of stored uploads of which something is to become; gives what writes them from
        the store, in the place of older ones."""
        noted = self._prepare((), upload_ids)

        def write() -> None:
            self._write_stored(upload_ids)
            noted()

        return write

    def close(self) -> None:
        """Remove what was never to be seen, and the list of what is owed if nothing is."""
        if not self._opened:
            return
        with suppress(OSError):  # then it is owed as before
            self._clear()
            if not self._unpublished:
                self._owed.settled()
                self._pending.rmdir()

    def _write_stored(self, upload_ids: Sequence[str]) -> None:
        if self._stored:
            answers = self._stored(upload_ids)
            self._prepare(((_file_name(a.name, key), a) for key, a in answers), [])()

    def _prepare(
        self, answers: Iterable[tuple[str, Answer]], owed: Sequence[str]
    ) -> Callable[[], None]:
        names: list[str] = []
        with _write_failures(self._folder):
            if not self._opened:
                self._pending.mkdir(parents=True, exist_ok=True)
                self._clear()
                self._opened = True
            if owed:
                self._owed.add(owed)
            self._unpublished += 1
            for name, answer in answers:
                (self._pending / f"{name}.txt").write_bytes(receipt(answer))
                (self._pending / f"{name}.csv").write_bytes(error_csv([answer]))
                names.append(name)
        return lambda: self._publish(names)

    def _clear(self) -> None:
        for path in self._pending.iterdir():
            if path.name != OWED:
                path.unlink()

    def _publish(self, names: Sequence[str]) -> None:
        with _write_failures(self._folder):
            for name in names:
                for file in (f"{name}.txt", f"{name}.csv"):
                    (self._pending / file).replace(self._folder / file)
        self._unpublished -= 1


def _worth_telling(processed: Processed, place: int) -> bool:
    rows = processed.findings_of(place)
    refused, held = processed.refusals[place] is not None, place in processed.held
    return rows.start != rows.stop or refused or held


def _file_name(name: str, upload_id: str) -> str:
    return f"{_stem(name)}-{upload_id}"


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

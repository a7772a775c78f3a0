"""EDGE: receipts of a stream as files in a folder, seen once their uploads are in the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.limits import Limits
from pipeline.report.answer import Answer
from pipeline.report.receipt_files import ReceiptFolder
from pipeline.report.stored import stored_answer
from pipeline.settle import Publish
from pipeline.store.kept import KeptTables
from pipeline.store.layout import Layout
from pipeline.stored import StoredUploads
from pipeline.stream.deciding import FAILED
from pipeline.stream.staging import Receipt
from rules.plan import Plan

_TELLING = frozenset({"refused", "held", "dropped"})


class StreamReceipts:
    """The folder of whoever records; ``plan`` is that of 2.0. Raises ``ReceiptWriteError``.

    The same files as ``run`` writes: of every upload with something to tell.
    """

    def __init__(self, folder: Path, layout: Layout, plan: Plan, limits: Limits) -> None:
        self._plan, self._limits = plan, limits
        self._stored = StoredUploads(KeptTables(layout.uri), limits)
        self._files = ReceiptFolder(folder, self._stored.answers)

    def begin(self) -> None:
        """The store is held: write what an earlier recorder owes."""
        self._files.begin()

    def prepare(self, receipts: Sequence[Receipt]) -> Publish:
        """Write receipts out of sight; gives what moves them into the folder."""
        telling = [one for one in receipts if _worth_telling(one)]
        ids = [one.row["upload_id"] for one in telling]
        return self._files.prepare_answers(self._answers(telling), ids)

    def close(self) -> None:
        """Remove what was never to be seen."""
        self._files.close()

    def _answers(self, receipts: Sequence[Receipt]) -> Iterator[tuple[str, Answer]]:
        for one in receipts:
            payload = self._stored.payload(one.row)
            answer = stored_answer(one.row, one.findings, payload, self._plan, self._limits)
            yield one.row["upload_id"], answer


def _worth_telling(receipt: Receipt) -> bool:
    row = receipt.row
    if row["redelivery_of"] is not None or row["status"] == FAILED:
        return False
    return bool(receipt.findings) or row["status"] in _TELLING or receipt.decided

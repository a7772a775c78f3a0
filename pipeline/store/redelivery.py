"""Redeliveries: uploads of a name and bytes that were taken before, in the same mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.delta import DeltaTables
from schemas.tables import StoreMode

_COLUMNS = ["name", "sha256", "upload_id", "institution", "status", "refusal_code", "redelivery_of",
            "mode", "sequence"]  # fmt: skip


@dataclass(frozen=True)
class FirstReceipt:
    """The upload that was taken the first time."""

    upload_id: str
    institution: str | None
    status: str
    refusal_code: str | None


class Redeliveries:
    """Looks first in what is not committed yet, then in ``uploads``."""

    def __init__(self, tables: DeltaTables, mode: StoreMode) -> None:
        self._tables = tables
        self._mode = mode
        self._recent: dict[tuple[str, str], FirstReceipt] = {}

    def remember(self, rows: pa.Table) -> None:
        """Take note of receipts that are about to be committed."""
        self._recent.update(_by_key(rows))

    def committed(self) -> None:
        """What was remembered can now be found in the table."""
        self._recent.clear()

    def recent(self, name: str, digest: str) -> FirstReceipt | None:
        """The first receipt of an upload that is not committed yet."""
        return self._recent.get((name, digest))

    def find(
        self, uploads: Sequence[tuple[str, str]], institution: str | None
    ) -> dict[tuple[str, str], FirstReceipt]:
        """First receipts by (name, SHA-256 in hex). ``institution``: of that sender only.

        What is not committed yet is of the run's own sender.
        """
        found = {key: self._recent[key] for key in uploads if key in self._recent}
        missing = [key for key in uploads if key not in found]
        if missing:
            digests = pa.array(sorted({digest for _, digest in missing}))
            rows = self._tables.dataset("uploads").to_table(
                columns=_COLUMNS,
                filter=pc.field("sha256").isin(digests) & (pc.field("mode") == self._mode),
            )
            known = _by_key(_of_sender(rows, institution).sort_by([("sequence", "descending")]))
            found.update({key: known[key] for key in missing if key in known})
        return found


def _of_sender(rows: pa.Table, institution: str | None) -> pa.Table:
    """Rows of one sender or of an unknown one; all of them where the sender is not given."""
    if institution is None:
        return rows
    sender = rows["institution"]
    return rows.filter(pc.or_kleene(pc.is_null(sender), pc.equal(sender, institution)))


def _by_key(rows: pa.Table) -> dict[tuple[str, str], FirstReceipt]:
    """First receipts by (name, SHA-256 in hex); of several the last in ``rows``."""
    return {
        (row["name"], row["sha256"]): FirstReceipt(
            row["upload_id"], row["institution"], row["status"], row["refusal_code"]
        )
        for row in rows.select(_COLUMNS).to_pylist()
        if row["redelivery_of"] is None
    }

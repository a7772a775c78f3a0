"""Redeliveries: uploads of a name and bytes that were taken before, in the same mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.delta import DeltaTables
from schemas.tables import StoreMode

Key = tuple[str, str]
"""File name and SHA-256 in hex."""

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

    def __init__(self, tables: DeltaTables) -> None:
        self._tables = tables
        self._recent: dict[tuple[StoreMode, Key], FirstReceipt] = {}
        self._frozen: dict[tuple[StoreMode, Key], FirstReceipt] = {}

    def remember(self, rows: pa.Table) -> None:
        """Take note of receipts that are about to be committed."""
        for mode in pc.unique(rows["mode"]).to_pylist():
            known = _by_key(rows.filter(pc.equal(rows["mode"], mode)))
            self._recent.update({(mode, key): first for key, first in known.items()})

    def freeze(self) -> None:
        """What was remembered goes with the commit that is now made."""
        self._frozen, self._recent = self._recent, {}

    def committed(self) -> None:
        """What was frozen can now be found in the table."""
        self._frozen = {}

    def recent(self, mode: StoreMode, key: Key) -> FirstReceipt | None:
        """The first receipt of an upload that is not committed yet."""
        return self._recent.get((mode, key)) or self._frozen.get((mode, key))

    def find(
        self, mode: StoreMode, uploads: Sequence[Key], institution: str | None
    ) -> dict[Key, FirstReceipt]:
        """First receipts of one mode. ``institution``: of that sender only.

        What is not committed yet is of the run's own sender.
        """
        found = {key: first for key in uploads if (first := self.recent(mode, key))}
        missing = [key for key in uploads if key not in found]
        if missing:
            digests = pa.array(sorted({digest for _, digest in missing}))
            rows = self._tables.dataset("uploads").to_table(
                columns=_COLUMNS,
                filter=pc.field("sha256").isin(digests) & (pc.field("mode") == mode),
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


def _by_key(rows: pa.Table) -> dict[Key, FirstReceipt]:
    """First receipts; of several the last in ``rows``."""
    return {
        (row["name"], row["sha256"]): FirstReceipt(
            row["upload_id"], row["institution"], row["status"], row["refusal_code"]
        )
        for row in rows.select(_COLUMNS).to_pylist()
        if row["redelivery_of"] is None
    }

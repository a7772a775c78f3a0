"""What a state is made of, read from the tables: live visits, the ledger, what was taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.merge.keys import (
    UInt64,
    code_ids,
    columns_of_table,
    month_text,
    months_of_keys,
    spell,
)
from pipeline.merge.recall import keys_of
from pipeline.merge.state_items import VISIT, Items
from pipeline.merge.visit_items import stored_items
from pipeline.store.delta import ALL_TABLES, DeltaTables
from pipeline.store.state_slots import ENTRY, ENTRY_COLUMNS, entries_of, named, specials_of
from schemas.tables import PREFIXES, Track
from schemas.versions import versions

_BATCH_ROWS: Final = 100_000
_FIELDS: Final = (
    "H00", "M03", "M05", "M06", "M07", "M11", "M13", "M15", "M16", "M24", "M25", "M26", "M27",
    "M28", "M29", "M33", "M34",
)  # fmt: skip
_PROVENANCE: Final = ("institution", "sequence", "record")


@dataclass(frozen=True)
class SpecialDelete:
    """A delete of a visit that its treatment id does not name: whose, and of which day."""

    code: str
    institution: str
    day: date | None


class StateRows:
    """The tables of one track, as a state sees them. ``after`` is a sequence: 0 for all.

    ``buckets``: visits and ledger of these persons only.
    """

    def __init__(
        self, tables: DeltaTables, track: Track, buckets: Sequence[int] | None = None
    ) -> None:
        prefix = PREFIXES[track]
        self._tables = tables
        self._buckets = None if buckets is None else pc.field("bucket").isin(list(buckets))
        self._visits, self._history = prefix + "visits", prefix + "history"
        self._ledger = prefix + "prescriptions"
        self._version = versions()["1.0" if track == "v1" else "2.0"]
        own = (self._version.id_of(name) for name in _FIELDS)
        self._columns = [*(name for name in own if name), *_PROVENANCE]

    def count_after(self, after: int) -> int:
        """How many live visits are of later uploads."""
        return int(
            self._tables.dataset(self._visits).count_rows(filter=pc.field("sequence") > after)
        )

    def visits(self, after: int = 0, where: pc.Expression | None = None) -> Iterator[Items]:
        """Live visits (``VISIT``) of later uploads."""
        chosen = _both(_both(pc.field("sequence") > after, where), self._buckets)
        for rows in self._read(self._visits, self._columns, chosen):
            yield stored_items(rows, self._version)

    def ledger(self, where: pc.Expression | None = None) -> Iterator[Items]:
        """Refills that are dispensed or cancelled (``ENTRY``)."""
        chosen = _both(_both(pc.field("status") != "open", where), self._buckets)
        for rows in self._read(self._ledger, ENTRY_COLUMNS, chosen):
            yield entries_of(rows)

    def ledger_of(self, prescriptions: Items) -> Items:
        """The same of some prescriptions, named by the key in ``high`` and ``low``."""
        keys = keys_of(prescriptions)
        months = {month_text(int(month)) for month in np.unique(months_of_keys(keys))}
        in_months = pc.field("issued_month").isin(pa.array(sorted(months), pa.string()))
        asked = pc.field("prescription_id").isin(spell(keys))
        entries = np.concatenate([np.empty(0, ENTRY), *self.ledger(in_months & asked)])
        unnamed = entries["slot"]["sequence"][entries["named"] == 0]
        if not len(unnamed):
            return entries
        dispensers = self.visits(0, pc.field("sequence").isin(pa.array(np.unique(unnamed))))
        return named(entries, specials_of(np.concatenate([np.empty(0, VISIT), *dispensers])))

    def named(self, after: int) -> tuple[UInt64, UInt64, set[SpecialDelete]]:
        """What later D, C and E name: keys of D, keys of all three, and D of special codes."""
        columns = ["treatment_id", "institution", "visit_date", "action"]
        chosen = (pc.field("sequence") > after) & (pc.field("action") != "put")
        gone, named, special = [np.empty((0, 2), np.uint64)], [np.empty((0, 2), np.uint64)], set()
        for rows in self._read(self._history, columns, chosen):
            key, found = code_ids(columns_of_table(rows)("treatment_id"))
            deleted, normal = pc.equal(rows["action"], "delete").to_numpy(), found == 1
            gone.append(key[normal & deleted])
            named.append(key[normal])
            for row in rows.filter(pa.array(~normal & deleted)).to_pylist():
                special.add(
                    SpecialDelete(row["treatment_id"], row["institution"], row["visit_date"])
                )
        return np.concatenate(gone), np.concatenate(named), special

    def special_visits(self, deletes: set[SpecialDelete]) -> Iterator[Items]:
        """The live visits that such deletes might have been about, and others of their days."""
        days = pa.array(sorted({d.day for d in deletes if d.day}), pa.date32())
        owners = pa.array(sorted({d.institution for d in deletes}))
        codes = pa.array(sorted({d.code for d in deletes}))
        at = pc.field("visit_date").isin(days)
        if None in {d.day for d in deletes}:
            at |= pc.field("visit_date").is_null()
        where = pc.field("treatment_id").isin(codes) & pc.field("institution").isin(owners) & at
        return self.visits(0, where)

    def _read(self, name: str, columns: list[str], where: pc.Expression) -> Iterator[pa.Table]:
        """Rows in pieces; few are read ahead, so that memory stays bounded. None of what a track
        does not have."""
        if name not in ALL_TABLES:
            return
        scanner = self._tables.dataset(name).scanner(
            columns=columns, filter=where, batch_size=_BATCH_ROWS, batch_readahead=1,
            fragment_readahead=1, use_threads=False,
        )  # fmt: skip
        for batch in scanner.to_batches():
            if len(batch):
                yield pa.Table.from_batches([batch])


def _both(one: pc.Expression, other: pc.Expression | None) -> pc.Expression:
    return one if other is None else one & other

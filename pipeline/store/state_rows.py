"""What a state is made of, read from the tables: live visits, the ledger, what was taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.keys import (
    UInt64,
    code_ids,
    columns_of_table,
    month_text,
    months_of_keys,
    pack,
    spell,
)
from pipeline.ledger import KIND_NAMES
from pipeline.outcome import Mode
from pipeline.recall import keys_of
from pipeline.state_items import Items
from pipeline.store.delta import PRECHECK, DeltaTables
from pipeline.store.state_claims import (
    ANY_PLACE,
    BY_CANCEL,
    CANCELLED_ROW,
    CLAIM,
    DISPENSED_ROW,
    special_name,
)
from pipeline.visit_items import LEGS, REFILL_KINDS, TIMES, stored_items

_BATCH_ROWS: Final = 100_000
_VISIT_COLUMNS: Final = [
    "institution", "sequence", "record", "H00", "M03", "M05", "M06", "M07", "M11", "M13", "M15",
    "M16", *TIMES, *LEGS,
]  # fmt: skip
_LEDGER_COLUMNS: Final = [
    "prescription_id", "kind", "refill", "status", "institution", "by_institution",
    "by_treatment_id", "sequence",
]  # fmt: skip


@dataclass(frozen=True)
class SpecialDelete:
    """A delete of a visit that its treatment id does not name: whose, and of which day."""

    code: str
    institution: str
    day: date | None


class StateRows:
    """The tables of one mode, as a state sees them. ``after`` is a sequence: 0 for all."""

    def __init__(self, tables: DeltaTables, mode: Mode) -> None:
        prefix = PRECHECK if mode == "precheck" else ""
        self._tables = tables
        self._visits, self._history = prefix + "visits", prefix + "history"
        self._ledger = prefix + "prescriptions"

    def count_after(self, after: int) -> int:
        """How many live visits are of later uploads."""
        return int(
            self._tables.dataset(self._visits).count_rows(filter=pc.field("sequence") > after)
        )

    def visits(self, after: int = 0, where: pc.Expression | None = None) -> Iterator[Items]:
        """Live visits (``VISIT``) of later uploads."""
        chosen = _both(pc.field("sequence") > after, where)
        for rows in self._read(self._visits, _VISIT_COLUMNS, chosen):
            yield stored_items(rows)

    def ledger(self, where: pc.Expression | None = None) -> Iterator[Items]:
        """Refills that are dispensed or cancelled, as claims."""
        chosen = _both(pc.field("status") != "open", where)
        for rows in self._read(self._ledger, _LEDGER_COLUMNS, chosen):
            yield _ledger_claims(rows)

    def ledger_of(self, prescriptions: Items) -> Iterator[Items]:
        """The same of some prescriptions, named by the key in ``high`` and ``low``."""
        keys = keys_of(prescriptions)
        months = {month_text(int(month)) for month in np.unique(months_of_keys(keys))}
        in_months = pc.field("issued_month").isin(pa.array(sorted(months), pa.string()))
        return self.ledger(in_months & pc.field("prescription_id").isin(spell(keys)))

    def cancels(self, after: int = 0) -> Iterator[Items]:
        """Records of later uploads that cancelled refills, as claims."""
        columns = ["treatment_id", "institution", "sequence", "record"]
        chosen = (pc.field("sequence") > after) & (pc.field("action") == "cancel")
        for rows in self._read(self._history, columns, chosen):
            yield _cancel_claims(rows)

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
        """Rows in pieces; few are read ahead, so that memory stays bounded."""
        scanner = self._tables.dataset(name).scanner(
            columns=columns, filter=where, batch_size=_BATCH_ROWS, batch_readahead=1,
            fragment_readahead=1, use_threads=False,
        )  # fmt: skip
        for batch in scanner.to_batches():
            if len(batch):
                yield pa.Table.from_batches([batch])


def _ledger_claims(rows: pa.Table) -> Items:
    column, claims = columns_of_table(rows), np.zeros(len(rows), CLAIM)
    cancelled = pc.equal(rows["status"], "cancelled").to_numpy()
    kind = pc.index_in(rows["kind"], value_set=pa.array(KIND_NAMES)).to_numpy()
    place = kind * 8 + rows["refill"].to_numpy() - 1
    refills = np.isin(kind, REFILL_KINDS)
    _set_keys(claims, ("high", "low"), code_ids(column("prescription_id"))[0])
    name, normal = code_ids(column("by_treatment_id"))
    for at in np.flatnonzero((normal == 0) & ~cancelled).tolist():
        name[at, 1] = special_name(rows["by_treatment_id"][at].as_py())
    _set_keys(claims, ("name_high", "name_low"), name)
    # Only the issuer cancels, and then nobody is named.
    claims["owner"] = pack(column("by_institution")) + np.where(
        cancelled, pack(column("institution")), 0
    )
    claims["sequence"] = rows["sequence"].to_numpy()
    claims["wanted"] = np.where(cancelled, 0, np.where(refills, place, kind * 8))
    claims["place"] = place
    claims["side"] = np.where(cancelled, CANCELLED_ROW, DISPENSED_ROW)
    return claims


def _cancel_claims(rows: pa.Table) -> Items:
    column, claims = columns_of_table(rows), np.zeros(len(rows), CLAIM)
    key, normal = code_ids(column("treatment_id"))
    _set_keys(claims, ("high", "low"), key)
    claims["owner"] = pack(column("institution"))
    claims["sequence"], claims["record"] = rows["sequence"].to_numpy(), rows["record"].to_numpy()
    claims["place"], claims["side"] = ANY_PLACE, BY_CANCEL
    chosen: Items = claims[normal == 1]
    return chosen


def _set_keys(claims: Items, halves: tuple[str, str], keys: UInt64) -> None:
    claims[halves[0]], claims[halves[1]] = keys[:, 0], keys[:, 1]


def _both(one: pc.Expression, other: pc.Expression | None) -> pc.Expression:
    return one if other is None else one & other

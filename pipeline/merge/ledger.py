"""PURE: the ledger as rows of ``prescriptions``, before and after a merge (docs/MERGE.md).

A prescription's rows are replaced together, so that they always lie in one file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.columns import Int64
from pipeline.merge.changes import Changes, GoneRows, NewRows, Partition
from pipeline.merge.keys import UInt64, buckets_of, month_text, months_of_keys, spell, unpack
from pipeline.merge.merge import Merged
from pipeline.merge.recall import Known
from pipeline.merge.state_items import CANCELLED, DISPENSED, KINDS, OPEN, PLACES
from pipeline.merge.visit_items import REFILL_KINDS
from schemas.tables import PRESCRIPTIONS, TABLES

KIND_NAMES: Final = (
    "general", "chronic-once", "chronic", "controlled-once", "controlled-chronic-once",
    "controlled",
)  # fmt: skip
STATUS_NAMES: Final = {OPEN: "open", DISPENSED: "dispensed", CANCELLED: "cancelled"}
_PLACE: Final = np.arange(PLACES)
_REFILL: Final = _PLACE % 8 + 1
_IS_REFILL_KIND: Final = np.isin(_PLACE // 8, REFILL_KINDS)

Grid = npt.NDArray[np.generic]


class _Rows:
    """The rows of some prescriptions as grids, one row a prescription, one column a place."""

    def __init__(self, known: Known, prescriptions: Int64) -> None:
        self.key = known.prescriptions[prescriptions]
        slots = known.slots[prescriptions]
        issuer = known.issuer[prescriptions]
        visit, live = known.entries[issuer], known.live[issuer][:, None] == 1
        used = slots["status"] != OPEN
        times = np.repeat(visit["times"], PLACES // KINDS, axis=1)
        self.issued = live & (times >= _REFILL)
        self.present = used | (self.issued & _IS_REFILL_KIND)
        self.status = slots["status"]
        self.issuer = np.where(self.issued, visit["owner"][:, None], 0)
        self.by = np.stack([slots["high"], slots["low"]], axis=2)
        self.by_owner = np.where(self.status == DISPENSED, slots["owner"], 0)
        self.by_record = slots["record"]
        self.sequence = np.where(used, slots["sequence"], visit["sequence"][:, None])

    def same(self, other: _Rows) -> npt.NDArray[np.bool_]:
        """Which prescriptions have the same rows."""
        pairs = (
            (self.status, other.status), (self.issuer, other.issuer),
            (self.by_owner, other.by_owner), (self.sequence, other.sequence),
            (self.by_record, other.by_record), (self.by[:, :, 0], other.by[:, :, 0]),
            (self.by[:, :, 1], other.by[:, :, 1]),
        )  # fmt: skip
        same: npt.NDArray[np.bool_] = (self.present == other.present).all(axis=1)
        for mine, others in pairs:
            same &= ((mine == others) | ~self.present).all(axis=1)
        return same

    def table(self, at: Int64) -> pa.Table:
        """The rows of some of them, by prescription, kind and refill."""
        row, place = np.nonzero(self.present[at])
        where = (at[row], place)
        status, dispensed = self.status[where], self.status[where] == DISPENSED
        columns = {
            "prescription_id": spell(self.key[at[row]]),
            "kind": pa.array(KIND_NAMES).take(pa.array(place // 8)),
            "refill": pa.array(_REFILL[place], pa.int32()),
            "status": pa.array(list(STATUS_NAMES.values())).take(pa.array(status)),
            "institution": _codes(self.issuer[where]),
            "by_institution": _codes(self.by_owner[where]),
            "by_treatment_id": _where(dispensed, spell(self.by[where])),
            "by_record": pa.array(self.by_record[where], mask=~dispensed),
            "sequence": pa.array(self.sequence[where]),
        }
        return pa.table(columns, schema=_SCHEMA)


_SCHEMA: Final = pa.schema(
    [f for f in PRESCRIPTIONS if f.name not in TABLES["prescriptions"].partition_by]
)


def ledger_changes(before: Known, merged: Merged, buckets: int) -> Changes:
    """What a merge does to ``prescriptions``."""
    touched = np.flatnonzero(merged.touched)
    old, new = _Rows(before, touched), _Rows(merged.after, touched)
    at = np.flatnonzero(~old.same(new))
    month, bucket = months_of_keys(new.key[at]), buckets_of(new.key[at], buckets)
    gone, added = list[GoneRows](), list[NewRows]()
    for partition, part in by_partition(month, bucket):
        some = at[part]
        row, place = np.nonzero(old.present[some])
        if len(row):
            sequences = old.sequence[some[row], place]
            gone.append(GoneRows(partition, spell(old.key[some[row]]), sequences))
        rows = new.table(some)
        if len(rows):
            added.append(NewRows.of(partition, (rows,)))
    return Changes(tuple(gone), tuple(added))


def by_partition(month: npt.NDArray[np.integer], bucket: Int64) -> list[tuple[Partition, Int64]]:
    """Which rows lie in which partition, each in their order."""
    if not len(month):
        return []
    distinct, index = np.unique(month, return_inverse=True)
    texts = [month_text(int(m)) for m in distinct]
    names = sorted(set(texts))
    of_month = np.array([names.index(text) for text in texts])[index]
    order = np.lexsort((np.arange(len(month)), bucket, of_month))
    changes = (np.diff(of_month[order]) != 0) | (np.diff(bucket[order]) != 0)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(order)]
    return [
        ((names[of_month[order[a]]], int(bucket[order[a]])), order[a:b]) for a, b in pairwise(edges)
    ]


def _codes(packed: UInt64) -> pa.StringArray:
    """Packed institutions as text, null for none."""
    distinct, index = np.unique(packed, return_inverse=True)
    return pa.array([unpack(int(code)) for code in distinct], pa.string()).take(pa.array(index))


def _where(chosen: npt.NDArray[np.bool_], texts: pa.StringArray) -> pa.StringArray:
    """The texts of the chosen rows, null elsewhere."""
    return pa.array(texts.to_pylist(), pa.string(), mask=~chosen)

"""The ledger of a state from rows of ``prescriptions``, row by row.

A row names the visit that dispensed a refill by its treatment id, which is its key; where that is a
special code, by sequence and record, and the key is that of the live visit there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int32, Int64
from pipeline.kernels.ids import SPECIAL
from pipeline.kernels.merge_faults import COUNTS, DISPENSES
from pipeline.merge.keys import code_ids, columns_of_table, pack
from pipeline.merge.ledger import KIND_NAMES
from pipeline.merge.state_items import CANCELLED, DISPENSED, SLOT, Items

ENTRY: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("slot", SLOT), ("named", "u1")])
"""A slot with the key of its prescription; ``named`` is 0 while the visit's key is missing."""

ENTRY_COLUMNS: Final = [
    "prescription_id", "kind", "refill", "status", "institution", "by_institution",
    "by_treatment_id", "by_record", "sequence",
]  # fmt: skip


class UnmatchedLedgerError(ValueError):
    """A row of ``prescriptions`` names a visit that isn't there."""


def entries_of(rows: pa.Table) -> Items:
    """Rows of ``prescriptions`` that are not open, as entries."""
    column, entries = columns_of_table(rows), np.zeros(len(rows), ENTRY)
    cancelled = pc.equal(rows["status"], "cancelled").to_numpy()
    kind = pc.index_in(rows["kind"], value_set=pa.array(KIND_NAMES)).to_numpy()
    prescription, _ = code_ids(column("prescription_id"))
    entries["high"], entries["low"] = prescription[:, 0], prescription[:, 1]
    by, normal = code_ids(column("by_treatment_id"))
    slot = entries["slot"]
    slot["place"] = kind * 8 + rows["refill"].to_numpy() - 1
    slot["status"] = np.where(cancelled, CANCELLED, DISPENSED)
    slot["high"], slot["low"] = by[:, 0], by[:, 1]
    # Only the issuer cancels, and then nobody else is named.
    slot["owner"] = np.where(cancelled, pack(column("institution")), pack(column("by_institution")))
    slot["sequence"] = rows["sequence"].to_numpy()
    slot["record"] = pc.fill_null(rows["by_record"], 0).to_numpy()
    entries["named"] = cancelled | (normal == 1)
    return entries


def specials_of(visits: Items) -> Items:
    """The visits among some that may have dispensed a refill under a special code."""
    dispensing = visits["flags"] & (COUNTS | DISPENSES) == COUNTS | DISPENSES
    chosen: Items = visits[dispensing & (visits["low"] & SPECIAL != 0)]
    return chosen


def named(entries: Items, specials: Items) -> Items:
    """Entries with the keys of all visits. Raises ``UnmatchedLedgerError``."""
    missing = np.flatnonzero(entries["named"] == 0)
    if not len(missing):
        return entries
    have = _places(specials["sequence"], specials["record"])
    order = np.argsort(have)
    wanted = _places(entries["slot"]["sequence"][missing], entries["slot"]["record"][missing])
    at = np.searchsorted(have[order], wanted)
    at[at == len(have)] = 0
    if not len(have) or (have[order[at]] != wanted).any():
        raise UnmatchedLedgerError
    entries = entries.copy()
    for half in ("high", "low"):
        entries["slot"][half][missing] = specials[half][order[at]]
    return entries


def _places(sequence: Int64, record: Int32) -> Int64:
    """Upload and record as one number: a record is below 2 ** 31, a sequence below 2 ** 32."""
    place: Int64 = (sequence.astype(np.int64) << 31) + record
    return place

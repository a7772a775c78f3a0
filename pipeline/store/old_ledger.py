"""The ledger of a store that had none: what its live visits issued and dispensed, and what was
cancelled and opened again.

The live versions and the accepted C and E of the history go through the merge, in order of their
sequences, bucket by bucket. They were accepted once, so nothing is rejected now; of two visits that
claim one refill the first keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import UInt8
from pipeline.kernels.ids import SPECIAL
from pipeline.kernels.merge_faults import CANCEL, PUT, RECORD, UNCANCEL
from pipeline.merge.changes import Changes
from pipeline.merge.keys import buckets_of, code_ids, columns_of_table, pack
from pipeline.merge.ledger import ledger_changes
from pipeline.merge.merge import MergePolicy, Severities, Work, merge
from pipeline.merge.recall import keys_of, recall
from pipeline.merge.state import MemoryState
from pipeline.merge.state_items import VISIT, Items
from pipeline.merge.visit_items import stored_items
from pipeline.outcome import Mode
from pipeline.store.delta import DeltaTables
from schemas.tables import PREFIXES

_ACTIONS: Final = {"cancel": CANCEL, "uncancel": UNCANCEL}
_COLUMNS: Final = [
    "H00", "M03", "M05", "M06", "M07", "M11", "M13", "M15", "M16", "M24", "M25", "M26", "M27",
    "M28", "M29", "M33", "M34", "institution", "sequence", "record",
]  # fmt: skip
_ANY_TIME: Final = MergePolicy(correction_months=1 << 20)
_ACCEPTED: Final = Severities(rejecting=0)


def ledgers_of(tables: DeltaTables, mode: Mode, buckets: int) -> Iterator[Changes]:
    """The rows of ``prescriptions``, new ones only, a bucket at a time."""
    prefix = PREFIXES[mode]
    cancels, action = _cancels(tables, prefix + "history")
    of_cancel = buckets_of(keys_of(cancels), buckets)
    for bucket in range(buckets):
        rows = tables.dataset(prefix + "visits").to_table(
            columns=_COLUMNS, filter=pc.field("bucket") == bucket
        )
        visits, own = _concerned(stored_items(rows)), of_cancel == bucket
        items = np.concatenate([visits, cancels[own]])
        actions = np.concatenate([np.full(len(visits), PUT, np.uint8), action[own]])
        order = np.lexsort((items["record"], items["sequence"]))
        yield _ledger(items[order], actions[order], buckets)


def _concerned(visits: Items) -> Items:
    """The visits that issue or dispense anything."""
    concerned = visits["times"].any(axis=1) | visits["legs"].any(axis=1) | (visits["kinds"] != 0)
    chosen: Items = visits[concerned]
    return chosen


def _cancels(tables: DeltaTables, history: str) -> tuple[Items, UInt8]:
    """Accepted C and E, as items with what names them; and the action of each."""
    rows = tables.dataset(history).to_table(
        columns=["treatment_id", "institution", "sequence", "record", "action"],
        filter=pc.field("action").isin(pa.array(list(_ACTIONS))),
    )
    column, items = columns_of_table(rows), np.zeros(len(rows), VISIT)
    key, normal = code_ids(column("treatment_id"))
    items["high"], items["low"] = key[:, 0], key[:, 1]
    items["owner"] = pack(column("institution"))
    items["sequence"], items["record"] = rows["sequence"].to_numpy(), rows["record"].to_numpy()
    action = np.array([_ACTIONS[name] for name in rows["action"].to_pylist()], np.uint8)
    return items[normal == 1], action[normal == 1]


def _ledger(items: Items, actions: UInt8, buckets: int) -> Changes:
    normal = ((items["low"] & SPECIAL) == 0).astype(np.uint8)
    originals = np.zeros((len(items), 2), np.uint64)  # nothing is checked of them any more
    known, places = recall(MemoryState(), items, normal, originals)
    records = np.zeros(len(items), RECORD)
    for name in ("entry", "original", "own", "source"):
        records[name] = getattr(places, name)
    records["action"], records["normal"] = actions, normal
    work = Work(records, items, np.zeros(len(items), np.int32))
    return ledger_changes(known, merge(known, work, _ANY_TIME, _ACCEPTED), buckets)

"""PURE: validated records → what the merge needs of each: keys, action, what it would be.

All accepted records, and the rejected puts of a treatment id: they change nothing, but whoever sent
one wants to know which version stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.columns import Batch, Int32, Int64, UInt8
from pipeline.core import Processed
from pipeline.kernels.merge_faults import CANCEL, COUNTS, DELETE, LOOK, PUT, RECORD, UNCANCEL
from pipeline.merge.keys import UInt64, code_ids, columns_of_batch, month_of, pack, pack_text
from pipeline.merge.merge import Work
from pipeline.merge.recall import Known, recall
from pipeline.merge.state import State
from pipeline.merge.state_items import Items
from pipeline.merge.visit_items import four_bytes, visit_items
from pipeline.outcome import Envelope, Verdict
from pipeline.taipei import TAIPEI
from schemas import V2, version_in

_ACTION_OF_FORMAT: Final = {
    "A": PUT, "B": PUT, "C": CANCEL, "D": DELETE, "E": UNCANCEL,
    "1": PUT, "2": PUT, "3": PUT, "4": PUT,  # of 1.0: normal, abnormal, and either made up for
}  # fmt: skip
_NO_FORMAT: Final = 255


@dataclass(frozen=True)
class Candidates:
    """Records for the merge, in sequence order, as parallel arrays.

    ``row`` is the record's row in the batch, ``upload`` its upload's place; ``action`` one of PUT,
    DELETE, CANCEL, UNCANCEL, LOOK; ``visits`` what it would be as a live version (``VISIT``);
    ``normal`` 0 where the treatment id is a special code; ``original`` the key of M16, or 0.
    """

    row: Int64
    upload: Int32
    action: UInt8
    visits: Items
    normal: UInt8
    original: UInt64

    def __len__(self) -> int:
        return int(self.row.shape[0])


def candidates(processed: Processed, sequences: Sequence[int]) -> Candidates:
    """The records that the merge looks at. ``sequences``: that of each upload."""
    batch = processed.batch
    rejected, action = processed.verdict == Verdict.REJECTED, _actions(batch)
    row = np.flatnonzero((action != _NO_FORMAT) & (~rejected | (action == PUT))).astype(np.int64)
    column, upload = columns_of_batch(batch, row), batch.record_upload[row]
    senders = [pack_text(e.institution or "") for e in processed.envelopes]
    visits, normal = visit_items(
        column, np.array(senders, np.uint64)[upload],
        prescribing=version_in(batch.layout) is V2,
    )  # fmt: skip
    visits["sequence"] = np.array(sequences, np.int64)[upload]
    visits["record"] = batch.record_number[row]
    original, _ = code_ids(column("M16"))
    original[visits["flags"] & COUNTS == 0] = 0
    chosen = (normal == 1) | ~rejected[row]
    action = np.where(rejected, LOOK, action)[row].astype(np.uint8)
    return Candidates(
        row[chosen], upload[chosen], action[chosen], visits[chosen], normal[chosen],
        original[chosen],
    )  # fmt: skip


def work_of(processed: Processed, found: Candidates, state: State) -> tuple[Known, Work]:
    """The state that candidates touch, and the candidates as the merge takes them."""
    known, places = recall(state, found.visits, found.normal, found.original)
    column = columns_of_batch(processed.batch, found.row)
    records = np.zeros(len(found), RECORD)
    records["entry"], records["original"] = places.entry, places.original
    records["own"], records["source"] = places.own, places.source
    records["month"] = _received_months(processed.envelopes)[found.upload]
    records["original_owner"] = pack(column("M17"))
    records["original_number"] = four_bytes(column("M18"))
    records["action"], records["normal"] = found.action, found.normal
    return known, Work(records, found.visits, found.upload)


def _actions(batch: Batch) -> UInt8:
    """What each record of a batch asks for, by its format."""
    index = version_in(batch.layout).own("H01").index
    table = np.full(256, _NO_FORMAT, np.uint8)
    for letter, action in _ACTION_OF_FORMAT.items():
        table[ord(letter)] = action
    single = batch.visits.length[index] == 1  # an absent cell has no offset worth anything
    letters = batch.buffer[np.where(single, batch.visits.offset[index], 0)]
    return np.where(single, table[letters], _NO_FORMAT).astype(np.uint8)


def _received_months(envelopes: Sequence[Envelope]) -> Int32:
    return np.array(
        [month_of(e.received_at.astimezone(TAIPEI).date()) for e in envelopes], np.int32
    )

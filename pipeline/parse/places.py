"""Where findings stand: ``Batch.place`` for many findings at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.columns import ABSENT, Batch, Int32, Int64, Moved
from schemas import ORDER_FIELDS, VISIT_FIELDS

FIELDS = VISIT_FIELDS + ORDER_FIELDS
ELEMENTS = ("MB1", "MB2", "MSH", "MB", "REC")

Place = tuple[Int64, Int32, Int64, Int32]


def places(batch: Batch, field: Int32, record: Int32, order: Int32) -> Place:
    """(offset, length, value offset, value length) of each finding.

    ``field`` indexes the fields of the batch's records, then those of its orders, then what is no
    field (``pipeline.validate.ready``); ``order`` rows of the batch's orders or -1.
    What isn't a field, or is absent, stands at the start tag of its order or record with length
    0 and has no value (-1).
    """
    offset = np.where(order >= 0, _at(batch.order_offset, order), _at(batch.record_head, record))
    offset = offset.astype(np.int64)
    length = np.zeros(len(field), np.int32)
    value_offset = np.full(len(field), -1, np.int64)
    value_length = np.full(len(field), ABSENT, np.int32)
    visits = batch.visits.offset.shape[0]
    both = visits + batch.orders.offset.shape[0]
    for cells, is_order, chosen, column, row in (
        (batch.visits, 0, field < visits, field, record),
        (batch.orders, 1, (field >= visits) & (field < both) & (order >= 0),
         field - visits, order),
    ):  # fmt: skip
        at = np.flatnonzero(chosen)
        found = cells.length[column[at], row[at]]
        at, found = at[found >= 0], found[found >= 0]
        value_offset[at] = cells.offset[column[at], row[at]]
        value_length[at] = found
        offset[at], length[at] = _as_received(
            batch.moved, batch.tail, is_order, column[at], row[at], value_offset[at], found
        )
    return offset, length, value_offset, value_length


def _at(values: Int32, index: Int32) -> npt.NDArray[np.int32]:
    """``values[index]``, anything where the index is -1 (also where there are no values)."""
    return values[index] if len(values) else np.zeros(len(index), np.int32)


def _as_received(
    moved: Moved, tail: int, is_order: int, field: Int32, row: Int32, offset: Int64, length: Int32
) -> tuple[Int64, Int32]:
    """Places in the payload of values, some of which stand in the tail."""
    offset, length = offset.copy(), length.copy()
    far = np.flatnonzero(offset >= tail)
    if len(far):
        entry = np.searchsorted(
            _key(moved.is_order, moved.field, moved.row),
            _key(np.full(len(far), is_order), field[far], row[far]),
        )
        offset[far], length[far] = moved.offset[entry], moved.length[entry]
    return offset, length


def _key(is_order: npt.NDArray[np.integer], field: Int32, row: Int32) -> Int64:
    """One sortable number for (is_order, field, row)."""
    table = is_order.astype(np.int64) * len(FIELDS) + field
    return (table << 32) + row

"""PURE: a batch without the rows of some uploads, which are refused after they were parsed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch, Cells, Faults, Moved

Kept = npt.NDArray[np.bool_]


def without(batch: Batch, uploads: Collection[int]) -> Batch:
    """The batch in which ``uploads`` (by index) have no records; their bytes stay."""
    refused = np.zeros(batch.uploads, np.bool_)
    refused[list(uploads)] = True
    records = ~refused[batch.record_upload]
    orders = records[batch.order_record]
    upload = batch.record_upload[records]
    counts = np.diff(batch.first_order)[records]
    return Batch(
        buffer=batch.buffer,
        tail=batch.tail,
        start=batch.start,
        stop=batch.stop,
        first_record=np.searchsorted(upload, np.arange(batch.uploads + 1)).astype(np.int32),
        visits=_cells(batch.visits, records),
        orders=_cells(batch.orders, orders),
        record_upload=upload,
        record_number=batch.record_number[records],
        record_offset=batch.record_offset[records],
        record_length=batch.record_length[records],
        record_head=batch.record_head[records],
        first_order=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        order_record=_place(records)[batch.order_record[orders]],
        order_offset=batch.order_offset[orders],
        moved=_moved(batch.moved, records, orders),
        faults=_faults(batch.faults, records),
        layout=batch.layout,
    )


def _cells(cells: Cells, kept: Kept) -> Cells:
    rows = np.flatnonzero(kept)
    return Cells(np.take(cells.offset, rows, axis=1), np.take(cells.length, rows, axis=1))


def _place(kept: Kept) -> npt.NDArray[np.int32]:
    """The new row of each row that is kept."""
    return (np.cumsum(kept) - 1).astype(np.int32)


def _moved(moved: Moved, records: Kept, orders: Kept) -> Moved:
    of_order = moved.is_order == 1
    kept, row = np.empty(len(of_order), np.bool_), np.empty(len(of_order), np.int32)
    for of, rows in ((~of_order, records), (of_order, orders)):
        kept[of], row[of] = rows[moved.row[of]], _place(rows)[moved.row[of]]
    return Moved(
        moved.is_order[kept], moved.field[kept], row[kept], moved.offset[kept], moved.length[kept]
    )


def _faults(faults: Faults, records: Kept) -> Faults:
    kept = records[faults.record]
    return Faults(
        _place(records)[faults.record[kept]], faults.order[kept], faults.code[kept],
        faults.offset[kept], faults.length[kept], faults.name[kept], faults.names,
    )  # fmt: skip

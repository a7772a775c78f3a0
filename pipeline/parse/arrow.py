"""PURE: rows of a batch as Arrow tables of the fields' texts, as sent, in UTF-8."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.columns import Batch, Cells
from pipeline.kernels.gather import copy_texts, text_offsets
from schemas import version_in

_ROOM = 64  # the copy may run over its end


def visit_table(batch: Batch, rows: npt.NDArray[np.int64] | None = None) -> pa.Table:
    """H00 … M57 (in 1.0 A00 … A64) of the given records, or all, as string columns."""
    return _table(batch, batch.visits, version_in(batch.layout).visit_fields, rows)


def order_table(batch: Batch, rows: npt.NDArray[np.int64] | None = None) -> pa.Table:
    """D01 … E13 (in 1.0 A71 … A81) of the given orders, or all, as string columns."""
    return _table(batch, batch.orders, version_in(batch.layout).order_fields, rows)


def _table(
    batch: Batch, cells: Cells, names: tuple[str, ...], rows: npt.NDArray[np.int64] | None
) -> pa.Table:
    if rows is None:
        rows = np.arange(cells.rows, dtype=np.int64)
    arrays = [
        text_column(batch.buffer, cells.offset[i], cells.length[i], rows) for i in range(len(names))
    ]
    return pa.Table.from_arrays(arrays, names=list(names))


def text_column(
    buffer: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.int32],
    length: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
) -> pa.StringArray:
    """One string column of the given rows; null where the element is absent.

    ``buffer`` must have 32 readable bytes behind every text, as a batch's has.
    """
    offsets = np.empty(rows.shape[0] + 1, np.int32)
    valid = np.zeros(rows.shape[0] // 8 + 1, np.uint8)
    nulls = text_offsets(length, rows, offsets, valid)
    if nulls == rows.shape[0]:
        return pa.nulls(rows.shape[0], pa.string())
    texts = np.empty(int(offsets[-1]) + _ROOM, np.uint8)
    copy_texts(buffer, offset, length, rows, texts)
    buffers = [pa.py_buffer(valid) if nulls else None, pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.StringArray.from_buffers(rows.shape[0], buffers[1], buffers[2], buffers[0], nulls)

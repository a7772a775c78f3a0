"""Cells to the contiguous buffers of an Arrow string column."""

from __future__ import annotations

from typing import Any

from numba import njit, types

from pipeline.kernels.simd import copy32

_bytes = types.Array(types.uint8, 1, "C", readonly=True)


@njit(
    types.int64(types.int32[::1], types.int64[::1], types.int32[::1], types.uint8[::1]),
    cache=True,
    nogil=True,
)
def text_offsets(length: Any, rows: Any, offsets: Any, valid: Any) -> int:
    """Offsets (rows + 1) and validity bits of the column of ``rows``; gives how many are null."""
    at, nulls = 0, 0
    for k in range(rows.shape[0]):
        offsets[k] = at
        size = length[rows[k]]
        if size >= 0:
            valid[k >> 3] |= 1 << (k & 7)
            at += size
        else:
            nulls += 1
    offsets[rows.shape[0]] = at
    return nulls


@njit(
    types.void(_bytes, types.int32[::1], types.int32[::1], types.int64[::1], types.uint8[::1]),
    cache=True,
    nogil=True,
)
def copy_texts(buf: Any, offset: Any, length: Any, rows: Any, out: Any) -> None:
    """The texts of ``rows`` behind each other. Both ends need 32 bytes of room to overrun."""
    source, target = buf.ctypes.data, out.ctypes.data
    for k in range(rows.shape[0]):
        r = rows[k]
        size = length[r]
        for i in range(0, size, 32):
            copy32(source + offset[r] + i, target + i)
        if size > 0:
            target += size

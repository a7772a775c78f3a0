"""The values that do not stand in their payload byte for byte: unescaped, in UTF-8."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

_inline = njit(cache=True, nogil=True)


@_inline
def _put(out: Any, j: int, point: int) -> int:
    """Write one code point as UTF-8; index behind it."""
    if point < 0x80:
        out[j] = point
        return j + 1
    if point < 0x800:
        out[j] = 0xC0 | point >> 6
        out[j + 1] = 0x80 | point & 63
        return j + 2
    if point < 0x10000:
        out[j] = 0xE0 | point >> 12
        out[j + 1] = 0x80 | point >> 6 & 63
        out[j + 2] = 0x80 | point & 63
        return j + 3
    out[j] = 0xF0 | point >> 18
    out[j + 1] = 0x80 | point >> 12 & 63
    out[j + 2] = 0x80 | point >> 6 & 63
    out[j + 3] = 0x80 | point & 63
    return j + 4


@_inline
def _refer(buf: Any, i: int) -> Any:
    """(code point, index behind) of a reference already found to be legal."""
    c = buf[i + 1]
    if c == 35:
        base = 16 if buf[i + 2] == 120 else 10
        i += 3 if base == 16 else 2
        point: Any = 0
        while buf[i] != 59:
            d: Any = np.int64(buf[i])
            point = point * base + (d - 48 if d <= 57 else (d | 32) - 87)
            i += 1
        return point, i + 1
    if c == 108:
        return 60, i + 4  # lt
    if c == 103:
        return 62, i + 4  # gt
    if c == 113:
        return 34, i + 6  # quot
    if buf[i + 2] == 109:
        return 38, i + 5  # amp
    return 39, i + 6  # apos


@njit(
    types.int64(
        types.Array(types.uint8, 1, "C", readonly=True), types.int32[::1], types.int32[::1],
        types.uint8[::1], types.uint16[::1],
        types.int32[::1], types.int32[::1], types.uint8[::1],
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def rewrite(
    buf: Any, offset: Any, length: Any, big5: Any, points: Any,
    at: Any, size: Any, out: Any,
) -> int:  # fmt: skip
    """Write the value of each raw text behind the other into ``out``; ``at``/``size`` its places.

    ``out`` needs three bytes for every two of raw Big5 text, else as many as the raw text.
    Gives the bytes written.
    """
    j = 0
    for k in range(offset.shape[0]):
        i: Any = np.int64(offset[k])
        stop = i + length[k]
        at[k] = j
        while i < stop:
            c: Any = np.int64(buf[i])
            if c >= 0x80 and big5[k]:
                j = _put(out, j, points[c * 256 + buf[i + 1]])
                i += 2
            elif c == 38:
                point, i = _refer(buf, i)
                j = _put(out, j, point)
            elif c == 13:
                out[j] = 10
                j += 1
                i += 2 if buf[i + 1] == 10 else 1
            else:
                out[j] = c
                j += 1
                i += 1
        size[k] = j - at[k]
    return j

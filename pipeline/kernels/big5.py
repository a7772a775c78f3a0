"""Big5 as CP950: is every byte right, and what UTF-8 does a pair become."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit, types

from pipeline.kernels.simd import ascii_run

UInt8 = npt.NDArray[np.uint8]


@cache
def code_points() -> npt.NDArray[np.uint16]:
    """Unicode of every CP950 pair, indexed by lead * 256 + trail; 0 where there is none."""
    table = np.zeros(65536, np.uint16)
    for lead in range(0x81, 0xFF):
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)):
            try:
                table[lead * 256 + trail] = ord(bytes((lead, trail)).decode("cp950"))
            except UnicodeDecodeError:
                continue
    return table


@njit(
    types.int64(types.Array(types.uint8, 1, "C", readonly=True), types.uint16[::1]),
    cache=True,
    nogil=True,
)
def _first_wrong(data: UInt8, points: npt.NDArray[np.uint16]) -> int:
    base = data.ctypes.data
    i, n = 0, data.shape[0]
    while i < n:
        lead = data[i]
        if lead < 0x80:
            i += ascii_run(base + i) if i + 32 <= n else 1
        elif i + 1 < n and points[np.int64(lead) * 256 + data[i + 1]] != 0:
            i += 2
        else:
            return i
    return -1


def first_wrong_big5(data: UInt8) -> int:
    """Offset of the first byte that is no CP950, -1 if all are."""
    return int(_first_wrong(data, code_points()))

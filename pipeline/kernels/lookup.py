"""Finding texts in the dictionary of a reference table, and the period a day falls in.

A dictionary is an open-addressing table: ``slots`` int32, a power of two of them and at most half
full, hold the code of a text or ``FREE``; texts stand in ``buffer`` at ``offset``/``length``.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, text, u8
from pipeline.kernels.prefetch import AHEAD, prefetch
from rules.ops import UNKNOWN

FREE = -1
NOT_THERE, NOT_USABLE = -1, -2


@helper
def _slot(buffer: UInt8, start: int, size: int, mask: int) -> int:
    """Where a text's search begins: FNV-1a, its high bits folded in."""
    mixed = np.uint64(0xCBF29CE484222325)
    for at in range(start, start + size):
        mixed = (mixed ^ np.uint64(buffer[at])) * np.uint64(0x100000001B3)
    mixed ^= mixed >> np.uint64(32)
    return int(np.int64(mixed & np.uint64(mask)))


@helper
def _same(a: UInt8, start: int, size: int, b: UInt8, other: int, other_size: int) -> bool:
    if size != other_size:
        return False
    for i in range(size):  # noqa: SIM110  numba has no all()
        if a[start + i] != b[other + i]:
            return False
    return True


@kernel(scalar(text, i32, i32, i32))
def fill(buffer: UInt8, offset: Int32, length: Int32, slots: Int32) -> int:
    """Put distinct texts into free ``slots``, each under its row as code."""
    mask = slots.shape[0] - 1
    for code in range(offset.shape[0]):
        slot = _slot(buffer, offset[code], length[code], mask)
        while slots[slot] != FREE:
            slot = (slot + 1) & mask
        slots[slot] = code
    return 0


@kernel(scalar(text, i32, i32, u8, text, i32, i32, i32, i32))
def find(
    buffer: UInt8, offset: Int32, length: Int32, usable: UInt8,
    known: UInt8, known_offset: Int32, known_length: Int32, slots: Int32, out: Int32,
) -> int:  # fmt: skip
    """The code of each cell's text, NOT_THERE, or NOT_USABLE."""
    mask = slots.shape[0] - 1
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        found = NOT_USABLE
        if usable[row]:
            found = NOT_THERE
            start, size = offset[row], length[row]
            slot = _slot(buffer, start, size, mask)
            while slots[slot] != FREE:
                code = slots[slot]
                if _same(buffer, start, size, known, known_offset[code], known_length[code]):
                    found = code
                    break
                slot = (slot + 1) & mask
        out[row] = found
    return 0


@kernel(scalar(i32, i64, i32, i64, i64, i32))
def period_on(key: Int32, day: Int64, first: Int32, start: Int64, stop: Int64, out: Int32) -> int:
    """The row of the period (half open) each day falls in for its key, NOT_THERE, or NOT_USABLE.

    Periods of key ``k`` are rows ``first[k]`` to ``first[k + 1]``, in order of time.
    """
    for row in range(out.shape[0]):
        found = NOT_USABLE
        if key[row] != NOT_USABLE and day[row] != UNKNOWN:
            found = NOT_THERE
            if key[row] != NOT_THERE:
                low, high = first[key[row]], first[key[row] + 1]
                begin = low
                while low < high:  # the first period that begins after the day
                    middle = (low + high) // 2
                    if start[middle] <= day[row]:
                        low = middle + 1
                    else:
                        high = middle
                if low > begin and day[row] < stop[low - 1]:
                    found = low - 1
        out[row] = found
    return 0


@kernel(scalar(i64, i64, scalar, i64, i64))
def working_days(
    after: Int64, until: Int64, first_day: int, working_before: Int64, out: Int64
) -> int:
    """Working days after one day up to another (negative where that is earlier).

    ``working_before[d]`` counts the working days from ``first_day`` to before its ``d``-th day;
    unknown outside.
    """
    days = working_before.shape[0] - 1
    for row in range(out.shape[0]):
        number = UNKNOWN
        if after[row] != UNKNOWN and until[row] != UNKNOWN:
            one, other = after[row] - first_day, until[row] - first_day
            if 0 <= one < days and 0 <= other < days:
                number = working_before[other + 1] - working_before[one + 1]
        out[row] = number
    return 0

"""Finding texts in the dictionary of a reference table, and the period a day falls in.

A dictionary is an open-addressing table of int64 ``slots``, a power of two of them and at most
half full: ``FREE``, or the upper half of a text's hash over its code. Text ``k`` stands in
``known`` from ``first[k]`` to ``first[k + 1]``. So a text that isn't there costs one look.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, text, u8
from pipeline.kernels.prefetch import AHEAD, prefetch
from rules.ops import FALSE, MAYBE, TRUE, UNKNOWN

FREE = -1
NOT_THERE, NOT_USABLE = -1, -2
_CODE = (1 << 32) - 1


@helper
def _hash(buffer: UInt8, start: int, size: int) -> int:
    """FNV-1a, mixed once more, without the sign."""
    mixed = np.uint64(0xCBF29CE484222325)
    for at in range(start, start + size):
        mixed = (mixed ^ np.uint64(buffer[at])) * np.uint64(0x100000001B3)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    return int(np.int64(mixed >> np.uint64(1)))


@helper
def _same(a: UInt8, start: int, size: int, b: UInt8, other: int, other_stop: int) -> bool:
    if size != other_stop - other:
        return False
    for i in range(size):  # noqa: SIM110  numba has no all()
        if a[start + i] != b[other + i]:
            return False
    return True


@kernel(scalar(text, i32, i64))
def fill(known: UInt8, first: Int32, slots: Int64) -> int:
    """Put distinct texts into free ``slots``, each under its row as code."""
    mask = slots.shape[0] - 1
    for code in range(first.shape[0] - 1):
        hashed = _hash(known, first[code], first[code + 1] - first[code])
        slot = hashed & mask
        while slots[slot] != FREE:
            slot = (slot + 1) & mask
        slots[slot] = (hashed & ~_CODE) | code
    return 0


@kernel(scalar(text, i32, i32, u8, i64))
def hash_cells(buffer: UInt8, offset: Int32, length: Int32, usable: UInt8, out: Int64) -> int:
    """The hash of each cell's text, NOT_USABLE where not ``usable``."""
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        out[row] = _hash(buffer, offset[row], length[row]) if usable[row] else NOT_USABLE
    return 0


@kernel(scalar(i64, text, i32, i32, text, i32, i64, i32))
def find(
    hashed: Int64, buffer: UInt8, offset: Int32, length: Int32,
    known: UInt8, first: Int32, slots: Int64, out: Int32,
) -> int:  # fmt: skip
    """The code of each cell's text, NOT_THERE, or NOT_USABLE."""
    mask = slots.shape[0] - 1
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(slots, hashed[min(row + AHEAD, last)] & mask)
        found = NOT_USABLE
        wanted = hashed[row]
        if wanted != NOT_USABLE:
            start, size = offset[row], length[row]
            found = NOT_THERE
            slot = wanted & mask
            while slots[slot] != FREE:
                code = slots[slot] & _CODE
                if (slots[slot] ^ wanted) <= _CODE and _same(
                    buffer, start, size, known, first[code], first[code + 1]
                ):
                    found = code
                    break
                slot = (slot + 1) & mask
        out[row] = found
    return 0


@helper
def _period(key: int, day: int, first: Int32, spans: Int64) -> int:
    """The row of the period a day falls in, NOT_THERE, or NOT_USABLE."""
    if key == NOT_USABLE or day == UNKNOWN:
        return NOT_USABLE
    if key == NOT_THERE:
        return NOT_THERE
    row = np.int64(first[key + 1]) - 1
    while row >= first[key]:  # from the newest: visits are of these days
        if spans[2 * row] <= day:
            return int(row) if day < spans[2 * row + 1] else NOT_THERE
        row -= 1
    return NOT_THERE


@kernel(scalar(i32, i64, i32, i64, i32))
def period_on(key: Int32, day: Int64, first: Int32, spans: Int64, out: Int32) -> int:
    """The row of the period each day falls in for its key, NOT_THERE, or NOT_USABLE.

    Periods of key ``k`` are rows ``first[k]`` to ``first[k + 1]``, in order of time. ``spans`` has
    the first day of each and the day after its last, one after the other.
    """
    for row in range(out.shape[0]):
        out[row] = _period(key[row], day[row], first, spans)
    return 0


@kernel(scalar(i32, i64, i32, i64, u8))
def valid_on(key: Int32, day: Int64, first: Int32, spans: Int64, out: UInt8) -> int:
    """Whether each key is valid on its day; the answers seen, as bits."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(first, np.int64(max(key[min(row + AHEAD, last)], 0)))
        found = _period(key[row], day[row], first, spans)
        answer = TRUE if found >= 0 else (MAYBE if found == NOT_USABLE else FALSE)
        out[row] = answer
        seen |= 1 << answer
    return seen


@kernel(scalar(i32, u8))
def is_there(key: Int32, out: UInt8) -> int:
    """Whether each key is in the table at all; the answers seen, as bits."""
    seen = 0
    for row in range(out.shape[0]):
        answer = TRUE if key[row] >= 0 else (MAYBE if key[row] == NOT_USABLE else FALSE)
        out[row] = answer
        seen |= 1 << answer
    return seen


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

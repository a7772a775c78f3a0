"""Between records and their orders: record ``r`` has orders ``first[r]`` to ``first[r + 1]``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, text, u8
from rules.ops import FALSE, MAYBE, TRUE, UNKNOWN

MANY = 100  # from so many orders on, a record is left to ``repeated_among``


@helper
def _same(buffer: UInt8, a: int, b: int, size: int) -> bool:
    for i in range(size):  # noqa: SIM110 - Numba has no all()
        if buffer[a + i] != buffer[b + i]:
            return False
    return True


@kernel(scalar(i32, u8, scalar, u8))
def fold(first: Int32, truth: UInt8, absorbing: int, out: UInt8) -> int:
    """Kleene or (``absorbing`` TRUE) or and (FALSE) over the orders of each record."""
    seen = 0
    for record in range(out.shape[0]):
        answer = 1 - absorbing
        for order in range(first[record], first[record + 1]):
            if truth[order] == absorbing:
                answer = absorbing
                break
            if truth[order] == MAYBE:
                answer = MAYBE
        out[record] = answer
        seen |= 1 << answer
    return seen


@kernel(scalar(i32, u8, i64))
def count(first: Int32, truth: UInt8, out: Int64) -> int:
    """Orders of each record for which it is true; unknown if any is unknown."""
    for record in range(out.shape[0]):
        total = 0
        for order in range(first[record], first[record + 1]):
            if truth[order] == MAYBE:
                total = UNKNOWN
                break
            total += truth[order]
        out[record] = total
    return 0


@kernel(scalar(i32, i64, u8))
def repeated_numbers(first: Int32, value: Int64, out: UInt8) -> int:
    """Whether another order of the record has the same number; unknown where this one is.

    Each order is held against each, so records of MANY orders are left out.
    """
    seen = 0
    for record in range(first.shape[0] - 1):
        if first[record + 1] - first[record] >= MANY:
            continue
        for order in range(first[record], first[record + 1]):
            answer = MAYBE if value[order] == UNKNOWN else FALSE
            if answer == FALSE:
                for other in range(first[record], first[record + 1]):
                    if other != order and value[other] == value[order]:
                        answer = TRUE
                        break
            out[order] = answer
            seen |= 1 << answer
    return seen


@kernel(scalar(i32, text, i32, i32, u8, u8))
def repeated_texts(
    first: Int32, buffer: UInt8, offset: Int32, length: Int32, usable: UInt8, out: UInt8
) -> int:
    """Whether another order of the record has the same text; unknown where not ``usable``.

    Records of MANY orders are left out.
    """
    seen = 0
    for record in range(first.shape[0] - 1):
        if first[record + 1] - first[record] >= MANY:
            continue
        for order in range(first[record], first[record + 1]):
            answer = FALSE if usable[order] else MAYBE
            if usable[order]:
                for other in range(first[record], first[record + 1]):
                    if (
                        other != order
                        and usable[other]
                        and length[other] == length[order]
                        and _same(buffer, offset[other], offset[order], length[order])
                    ):
                        answer = TRUE
                        break
            out[order] = answer
            seen |= 1 << answer
    return seen


def repeated_among(keys: Sequence[Hashable | None]) -> UInt8:
    """The truth "another has the same key" of each order of one record, however many there are;
    unknown where there is no key."""
    times = Counter(keys)
    return np.array([MAYBE if key is None else times[key] > 1 for key in keys], np.uint8)

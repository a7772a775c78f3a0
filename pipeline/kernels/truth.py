"""Whole columns: Kleene truths (uint8: 0 false, 1 true, 2 unknown) and numbers (int64, UNKNOWN).

Kernels over truths return the set of answers they saw, as bits.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import Int64, UInt8, UInt16, helper, i64, kernel, scalar, u8, u16
from rules.ops import MAYBE, UNKNOWN

EQUAL, LESS, LESS_EQUAL = range(3)
ADD, SUBTRACT, MODULO = range(3)


@helper
def _month(day: int) -> int:
    # civil from days, years starting in March
    shifted = day + 719468
    era = shifted // 146097
    day_of_era = shifted - era * 146097
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    return (era * 400 + year_of_era) * 12 + march_month + 2


@kernel(scalar(u16, u8, u8))
def answer_labels(labels: UInt16, answers: UInt8, out: UInt8) -> int:
    """The answer each label stands for."""
    seen = 0
    for row in range(out.shape[0]):
        answer = int(np.int64(answers[labels[row]]))
        out[row] = answer
        seen |= 1 << answer
    return seen


@kernel(scalar(i64, i64, scalar, u8))
def compare(a: Int64, b: Int64, how: int, out: UInt8) -> int:
    """EQUAL, LESS or LESS_EQUAL; unknown where either is."""
    seen = 0
    for row in range(out.shape[0]):
        x, y = a[row], b[row]
        if how == EQUAL:
            holds = x == y
        elif how == LESS:
            holds = x < y
        else:
            holds = x <= y
        answer = MAYBE if x == UNKNOWN or y == UNKNOWN else holds * 1
        out[row] = answer
        seen |= 1 << answer
    return seen


@kernel(scalar(i64, i64, scalar, i64))
def arithmetic(a: Int64, b: Int64, how: int, out: Int64) -> int:
    """ADD, SUBTRACT or MODULO (by zero: unknown); unknown where either is."""
    for row in range(out.shape[0]):
        x, y = a[row], b[row]
        answer = UNKNOWN
        if x != UNKNOWN and y != UNKNOWN:
            if how == ADD:
                answer = x + y
            elif how == SUBTRACT:
                answer = x - y
            elif y != 0:
                answer = x % y
        out[row] = answer
    return 0


@kernel(scalar(i64, i64, i64))
def coalesce(a: Int64, b: Int64, out: Int64) -> int:
    """The first, or the second where the first is unknown."""
    for row in range(out.shape[0]):
        out[row] = b[row] if a[row] == UNKNOWN else a[row]
    return 0


@kernel(scalar(i64, u8, i64))
def zero_where_blank(a: Int64, filled: UInt8, out: Int64) -> int:
    """0 where the field is blank, else the number."""
    for row in range(out.shape[0]):
        out[row] = a[row] if filled[row] else 0
    return 0


@kernel(scalar(i64, i64))
def day_of_moment(moment: Int64, out: Int64) -> int:
    """Days from seconds, both since 1970-01-01."""
    for row in range(out.shape[0]):
        out[row] = UNKNOWN if moment[row] == UNKNOWN else moment[row] // 86400
    return 0


@kernel(scalar(i64, i64))
def month_of_day(day: Int64, out: Int64) -> int:
    """year * 12 + month - 1 of days since 1970-01-01."""
    for row in range(out.shape[0]):
        out[row] = UNKNOWN if day[row] == UNKNOWN else _month(day[row])
    return 0

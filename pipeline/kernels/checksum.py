"""Check digits of persons and institutions (domain facts R-ID-1, R-ID-2, R-HOSP-2)."""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import Int32, Int64, UInt8, i32, i64, kernel, scalar, text, u8
from pipeline.kernels.prefetch import AHEAD, prefetch
from rules.ops import MAYBE

_PERSON_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"  # value 10 on, in this order

PERSON_WEIGHTS = np.array([1, 8, 7, 6, 5, 4, 3, 2, 1, 1], np.int64)
INSTITUTION_WEIGHTS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, -1], np.int64)


def person_values() -> Int64:
    """int64 (10, 256): what each byte counts at each place of a person's id.

    The first letter stands for two digits, weighed 1 and 9; a second letter for its last digit.
    """
    values = _digit_values()
    for number, letter in enumerate(_PERSON_LETTERS, 10):
        values[0, ord(letter)] = number // 10 + number % 10 * 9
        values[1:, ord(letter)] = number % 10
    return values


def institution_values() -> Int64:
    """int64 (10, 256): what each byte counts in an institution's code, letters A = 10 to Z = 35."""
    values = _digit_values()
    values[:, ord("A") : ord("Z") + 1] = np.arange(10, 36)
    return values


def _digit_values() -> Int64:
    values = np.zeros((10, 256), np.int64)
    values[:, ord("0") : ord("9") + 1] = np.arange(10)
    return values


@kernel(scalar(text, i32, u8, i64, i64, u8))
def check_digit(
    buffer: UInt8, offset: Int32, usable: UInt8, values: Int64, weights: Int64, out: UInt8
) -> int:
    """Whether the weighted sum of ten characters is a multiple of ten; unknown where not
    ``usable``. ``values`` is the flattened (10, 256) table."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        holds = MAYBE
        if usable[row]:
            total = 0
            for place in range(10):
                total += weights[place] * values[place * 256 + buffer[offset[row] + place]]
            holds = 1 if total % 10 == 0 else 0
        out[row] = holds
        seen |= 1 << holds
    return seen

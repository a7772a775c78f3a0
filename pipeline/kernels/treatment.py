"""What is inside a treatment id: a person in characters 7-13, a moment in characters 15-20.

Derived, not published (domain facts R-TN-3 and R-TN-4): base 34 over ``ALPHABET``; character 15 is
the ROC year less 102, 16-20 the seconds since that year began; 7-8 are the first two characters of
the person's id and 9-13 its next seven digits.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, text, u8
from pipeline.kernels.prefetch import AHEAD, prefetch
from rules.ops import FALSE, MAYBE, TRUE, UNKNOWN

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_VALUE = np.full(256, -1, np.int64)
_VALUE[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(34)


@helper
def _base34(buffer: UInt8, start: int) -> int:
    total = 0
    for at in range(start, start + 5):
        total = total * 34 + _VALUE[buffer[at]]
    return total


@helper
def _new_year(year: int) -> int:
    """Days from 1970-01-01 to 1 January."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 - 719162


@kernel(scalar(text, i32, u8, i64))
def moment_of(buffer: UInt8, offset: Int32, usable: UInt8, out: Int64) -> int:
    """The moment inside treatment ids (seconds); unknown where not ``usable``."""
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        moment = UNKNOWN
        if usable[row]:
            year = _VALUE[buffer[offset[row] + 14]] + 102 + 1911
            moment = _new_year(year) * 86400 + _base34(buffer, offset[row] + 15)
        out[row] = moment
    return 0


@kernel(scalar(text, i32, i32, u8, u8))
def holds_person(
    buffer: UInt8, offset: Int32, person_offset: Int32, usable: UInt8, out: UInt8
) -> int:
    """Whether treatment ids hold these persons; unknown where not ``usable``, and for persons
    whose letter (I, O) the alphabet lacks."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        held = MAYBE
        person = person_offset[row]
        if usable[row] and buffer[person] != 73 and buffer[person] != 79:
            held = TRUE
            inside = offset[row] + 6
            if buffer[inside] != buffer[person] or buffer[inside + 1] != buffer[person + 1]:
                held = FALSE
            digits = 0
            for at in range(person + 2, person + 9):
                digits = digits * 10 + (buffer[at] - 48)
            if _base34(buffer, inside + 2) != digits:
                held = FALSE
        out[row] = held
        seen |= 1 << held
    return seen

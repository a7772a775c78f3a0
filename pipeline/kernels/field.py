"""Reading cells: each kernel goes once over one column of cells.

Cells are places in ``buffer``: ``offset`` and ``length`` int32, length -1 where absent. A *form*
is uint8: BLANK (absent, empty, only white space), FINE, or what is wrong: CHINESE (a byte above
0x7F where none may be), WRONG_LENGTH, WRONG_TYPE, the first that applies. Kernels that give forms
return the set of forms they saw, as bits, so that callers can skip what can't be found.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernels.jit import (
    Index,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    helper,
    i32,
    i64,
    kernel,
    scalar,
    text,
    u8,
    u16,
    u32,
)
from pipeline.kernels.prefetch import AHEAD, prefetch
from rules.ops import FALSE, MAYBE, TRUE, UNKNOWN

BLANK, FINE, CHINESE, WRONG_LENGTH, WRONG_TYPE = range(5)


@helper
def _blank(buffer: UInt8, start: int, stop: int) -> bool:
    for at in range(start, stop):
        byte = buffer[at]
        if byte != 32 and byte != 9 and byte != 10 and byte != 13:
            return False
    return True


@helper
def _any_high(buffer: UInt8, start: Index, stop: Index) -> bool:
    high = np.uint8(0)
    for at in range(start, stop):
        high |= buffer[at]
    return bool(high >= 0x80)


@helper
def _characters(buffer: UInt8, start: Index, stop: Index) -> int:
    """Characters of UTF-8: bytes that don't continue one."""
    found = 0
    for at in range(start, stop):
        found += (buffer[at] & 0xC0) != 0x80
    return found


@helper
def _flaw(buffer: UInt8, start: int, stop: int, shortest: int, longest: int) -> int:
    """What is wrong with a value that can't be read."""
    if _blank(buffer, start, stop):
        return BLANK
    if _any_high(buffer, start, stop):
        return CHINESE
    if stop - start < shortest or stop - start > longest:
        return WRONG_LENGTH
    return WRONG_TYPE


@helper
def _digits(buffer: UInt8, start: int, count: int) -> int:
    """The number ``count`` digits make, negative where one is no digit."""
    total = 0
    for at in range(start, start + count):
        digit = buffer[at] - 48
        if digit < 0 or digit > 9:
            return -(1 << 40)
        total = total * 10 + digit
    return total


@helper
def _calendar(buffer: UInt8, start: int, width: int) -> int:
    """Days (or seconds) since 1970-01-01 of a ROC date (or date time), UNKNOWN if there is none."""
    year = _digits(buffer, start, 3) + 1911
    month = _digits(buffer, start + 3, 2)
    day = _digits(buffer, start + 5, 2)
    if year < 1912 or month < 1 or month > 12 or day < 1 or day > 31:
        return UNKNOWN
    if day > 28:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        short = month == 4 or month == 6 or month == 9 or month == 11
        last = 28 + leap if month == 2 else 31 - short
        if day > last:
            return UNKNOWN
    # days from civil, years starting in March
    shifted = year - (month <= 2)
    era_day = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + era_day - 719468
    if width == 7:
        return days
    hour = _digits(buffer, start + 7, 2)
    minute = _digits(buffer, start + 9, 2)
    second = _digits(buffer, start + 11, 2)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return UNKNOWN
    return days * 86400 + hour * 3600 + minute * 60 + second


@kernel(scalar(text, i32, i32, u8, u32, u16, scalar, u8, scalar, scalar, scalar, u16, u8))
def read_text(
    buffer: UInt8, offset: Int32, length: Int32,
    byte_class: UInt8, step: UInt32, label: UInt16, first_sink: int,
    shape_form: UInt8, ascii_only: int, shortest: int, longest: int,
    labels: UInt16, out: UInt8,
) -> int:  # fmt: skip
    """Forms and automaton labels of text. ``shape_form`` maps labels to FINE or WRONG_TYPE;
    lengths are in characters. Malformed text gets the label of blank, 0: nothing may be concluded
    from either."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        form = BLANK
        found = np.uint16(0)
        size = int(np.int64(length[row]))
        if size > 0:
            start = np.uint64(offset[row])
            stop = start + np.uint64(size)
            state = np.uint32(0)
            for at in range(start, stop):
                state = step[np.uint64(state) + np.uint64(byte_class[buffer[at]])]
                if state >= first_sink:
                    break
            found = label[np.uint64(state)]
            if found != 0:
                high = _any_high(buffer, start, stop)
                form = int(np.int64(shape_form[found]))
                if high and ascii_only:
                    form = CHINESE
                else:
                    if high:
                        size = _characters(buffer, start, stop)
                    if size < shortest or size > longest:
                        form = WRONG_LENGTH
                if form != FINE:
                    found = np.uint16(0)
        labels[row] = found
        out[row] = form
        seen |= 1 << form
    return seen


@kernel(scalar(text, i32, i32, scalar, u8, i64))
def read_numbers(
    buffer: UInt8, offset: Int32, length: Int32, longest: int, form: UInt8, out: Int64
) -> int:
    """Forms and values of whole numbers: ASCII digits, at most ``longest`` of them (<= 18)."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        start, size = offset[row], length[row]
        flaw = BLANK
        number = UNKNOWN
        if size > 0:
            total = 0
            fine = size <= longest
            if fine:
                for at in range(start, start + size):
                    digit = buffer[at] - 48
                    if digit < 0 or digit > 9:
                        fine = False
                        break
                    total = total * 10 + digit
            flaw = FINE if fine else _flaw(buffer, start, start + size, 1, longest)
            number = total if fine else UNKNOWN
        form[row] = flaw
        out[row] = number
        seen |= 1 << flaw
    return seen


@kernel(scalar(text, i32, i32, u8, i64))
def read_tenths(buffer: UInt8, offset: Int32, length: Int32, form: UInt8, out: Int64) -> int:
    """Values of decimals whose form is known, in tenths: digits, or digits, point and a digit."""
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        total = UNKNOWN
        if form[row] == FINE:
            total = 0
            scale = 10
            for at in range(offset[row], offset[row] + length[row]):
                if buffer[at] == 46:
                    scale = 1
                else:
                    total = total * 10 + (buffer[at] - 48)
            total *= scale
        out[row] = total
    return 0


@kernel(scalar(text, i32, i32, scalar, u8, i64))
def read_calendar(
    buffer: UInt8, offset: Int32, length: Int32, width: int, form: UInt8, out: Int64
) -> int:
    """Forms and values of ROC dates (``width`` 7: days) and date times (13: seconds)."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        start, size = offset[row], length[row]
        flaw = BLANK
        value = UNKNOWN
        if size > 0:
            if size == width:
                value = _calendar(buffer, start, width)
            flaw = FINE if value != UNKNOWN else _flaw(buffer, start, start + size, width, width)
        form[row] = flaw
        out[row] = value
        seen |= 1 << flaw
    return seen


@kernel(scalar(text, i32, i32, u8, i64))
def read_sizes(buffer: UInt8, offset: Int32, length: Int32, usable: UInt8, out: Int64) -> int:
    """Characters in each cell; unknown where not ``usable``."""
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        size = UNKNOWN
        if usable[row]:
            size = _characters(buffer, offset[row], offset[row] + length[row])
        out[row] = size
    return 0


@kernel(scalar(text, i32, i32, scalar, i64, u8, i64))
def read_character(
    buffer: UInt8, offset: Int32, length: Int32, position: int, meaning: Int64, usable: UInt8,
    out: Int64,
) -> int:  # fmt: skip
    """What the byte at ``position`` (-1: the last) means by a table of 256; unknown where not
    ``usable`` or too short."""
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        value = UNKNOWN
        if usable[row] and length[row] > position:
            at = offset[row] + (position if position >= 0 else length[row] - 1)
            value = meaning[buffer[at]]
        out[row] = value
    return 0


@kernel(scalar(text, i32, i32, text, i32, i32, u8, u8))
def compare_texts(
    buffer: UInt8, offset: Int32, length: Int32,
    other: UInt8, other_offset: Int32, other_length: Int32, usable: UInt8, out: UInt8,
) -> int:  # fmt: skip
    """Whether two columns of cells hold the same bytes; unknown where not ``usable``."""
    seen = 0
    last = out.shape[0] - 1
    for row in range(out.shape[0]):
        prefetch(buffer, np.int64(offset[min(row + AHEAD, last)]))
        same = MAYBE
        if usable[row]:
            same = TRUE if length[row] == other_length[row] else FALSE
            for i in range(length[row] * same):
                if buffer[offset[row] + i] != other[other_offset[row] + i]:
                    same = FALSE
                    break
        out[row] = same
        seen |= 1 << same
    return seen

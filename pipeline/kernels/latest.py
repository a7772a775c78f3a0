"""Kernels of the merge: visit keys as 128-bit integers, their table, and last write wins.

A treatment id is 20 characters of a 34-letter alphabet, so ten of them fit a 64-bit integer: two
integers *are* the id, exactly. Special codes are not identifying and get their key elsewhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import uint32, uint64, void

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, text, u8

UInt32 = npt.NDArray[np.uint32]
UInt64 = npt.NDArray[np.uint64]
u32, u64_2d = uint32[::1], uint64[:, ::1]

ALPHABET = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
ID_LENGTH = 20

# Actions and outcomes of a record, as the merge kernel knows them.
PUT, DELETE, CANCEL, UNCANCEL = 0, 1, 2, 3
DONE, NOT_OWN, TOO_LATE, NOT_THERE = 0, 1, 2, 3
UNTOUCHED, GONE = -1, -2  # values of ``latest`` that are not a record

NO_DAY = -(2**31)  # a visit date that could not be read
NO_ENTRY = -1

_DIGIT = np.full(256, 255, dtype=np.uint8)
for _value, _letter in enumerate(ALPHABET):
    _DIGIT[_letter] = _value


@helper
def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


@helper
def _is_special(buffer: UInt8, at: int) -> bool:
    """SM, MISS or a letter and three digits, then zeros; or twenty nines."""
    zeros = 0
    while zeros < ID_LENGTH and buffer[at + ID_LENGTH - 1 - zeros] == 48:
        zeros += 1
    first, second, third = buffer[at], buffer[at + 1], buffer[at + 2]
    if zeros >= 18 and first == 83 and second == 77:
        return True
    if zeros >= 16 and 65 <= first <= 90:
        return bool(_is_digit(second) and _is_digit(third) and _is_digit(buffer[at + 3]))
    nines = 0
    while nines < ID_LENGTH and buffer[at + nines] == 57:
        nines += 1
    return nines == ID_LENGTH


@kernel(void(text, i32, i32, u64_2d, u32, u8))
def code_treatment_ids(
    buffer: UInt8, offset: Int32, length: Int32, key: UInt64, person: UInt32, special: UInt8
) -> None:
    """Treatment ids as two integers each, and a hash (FNV-1a) of the person in characters 7-13.

    ``special`` is 1, and the rest 0, where the value is a special code or no treatment id at all.
    """
    for row in range(offset.shape[0]):
        at = int(offset[row])
        key[row, 0] = key[row, 1] = 0
        person[row] = 0
        special[row] = 1
        if length[row] != ID_LENGTH or _is_special(buffer, at):
            continue
        high, low, known = np.uint64(0), np.uint64(0), True
        for i in range(ID_LENGTH):
            digit = _DIGIT[buffer[at + i]]
            known &= digit < 34
            if i < 10:
                high = high * np.uint64(34) + np.uint64(digit)
            else:
                low = low * np.uint64(34) + np.uint64(digit)
        if not known:
            continue
        hashed = np.uint32(2166136261)
        for i in range(6, 13):
            hashed = np.uint32((hashed ^ np.uint32(buffer[at + i])) * np.uint32(16777619))
        key[row, 0], key[row, 1] = high, low
        person[row], special[row] = hashed, 0


@kernel(void(text, i32, i32, i32))
def visit_days(buffer: UInt8, offset: Int32, length: Int32, out: Int32) -> None:
    """Days since 1970-01-01 of ROC moments (yyyMMddHHmmss); ``NO_DAY`` where there is none."""
    for row in range(offset.shape[0]):
        out[row] = NO_DAY
        if length[row] < 7:
            continue
        number = 0
        for i in range(7):
            digit = int(buffer[offset[row] + i]) - 48
            if digit < 0 or digit > 9:
                number = -1
                break
            number = number * 10 + digit
        month, day = number // 100 % 100, number % 100
        if number < 0 or month < 1 or month > 12 or day < 1 or day > 31:
            continue
        # Civil date to day count, with years that start in March.
        year = number // 10000 + 1911 - (1 if month <= 2 else 0)
        of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
        out[row] = year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468


@helper
def _scatter(high: np.uint64, low: np.uint64, seed: np.uint64) -> np.uint64:
    """A well mixed 64-bit hash of a key; ``seed`` differs per process, against crafted keys."""
    mixed = (high ^ seed) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed = (mixed ^ low) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    mixed = mixed * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(32))


@kernel(scalar(i32, u64_2d, scalar, u64_2d, uint64, i32))
def find_or_add(
    slots: Int32, keys: UInt64, count: int, wanted: UInt64, seed: np.uint64, out: Int32
) -> int:
    """Entry number of each wanted key, adding those that are new; gives the new count.

    ``slots`` (a power of two long, at most half full) holds entry numbers or ``NO_ENTRY``;
    ``keys`` the keys in order of entry, with room for all wanted ones.
    """
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(wanted.shape[0]):
        high, low = wanted[i, 0], wanted[i, 1]
        slot = _scatter(high, low, seed) & mask
        while True:
            found = slots[slot]
            if found == NO_ENTRY:
                keys[count, 0], keys[count, 1] = high, low
                slots[slot] = count
                found = np.int32(count)
                count += 1
                break
            if keys[found, 0] == high and keys[found, 1] == low:
                break
            slot = (slot + np.uint64(1)) & mask
        out[i] = found
    return count


@kernel(void(i64, u8, i32, i32, i32, scalar, u8, i32, i32, i32, u8, u8))
def last_write_wins(
    key: Int64, action: UInt8, institution: Int32, visit_month: Int32, received_month: Int32,
    window: int, live: UInt8, owner: Int32, month: Int32, latest: Int32, first: UInt8, out: UInt8,
) -> None:  # fmt: skip
    """Work through records in sequence order over the state of their keys.

    Per record: ``key`` (row of the state), ``action``, ``institution``, ``visit_month`` and
    ``received_month`` (year * 12 + month). Per key, read and changed: ``live``, ``owner``,
    ``month`` and ``latest`` (the record that holds the key now, ``UNTOUCHED`` or ``GONE``).
    ``window`` is the months after the visit month in which it may still be corrected.
    ``first`` per record: 1 for a put of a key that was not live, so no correction. ``out`` per
    record: ``DONE``, ``NOT_OWN``, ``TOO_LATE`` or ``NOT_THERE``.
    """
    for i in range(key.shape[0]):
        k = key[i]
        own = live[k] == 1 and owner[k] == institution[i]
        first[i] = action[i] == PUT and live[k] == 0
        if action[i] == PUT:
            if live[k] == 1 and not own:
                out[i] = NOT_OWN
            elif live[k] == 1 and received_month[i] > month[k] + window:
                out[i] = TOO_LATE
            else:
                live[k], owner[k], month[k], latest[k] = 1, institution[i], visit_month[i], i
                out[i] = DONE
        elif not own:
            out[i] = NOT_OWN if live[k] == 1 else NOT_THERE
        else:
            if action[i] == DELETE:
                live[k], latest[k] = 0, GONE
            out[i] = DONE

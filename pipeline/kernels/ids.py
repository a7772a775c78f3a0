"""Kernels of visit keys: treatment ids as 128 bits, and back; dates, codes and refills as numbers.

A key, most significant bit first: the second of the visit (characters 15–20 of a treatment id, 31
bits), the person (7–13, 36 bits), then 61 bits: a set bit and the institution and service
(1–6, 14) of a treatment id; or, for a special code, which identifies nothing, another bit, the
code, and a hash of it with institution, person and moment. So what is recent lies together, and
all visits of a person at one second share the first 67 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import uint64, void

from pipeline.kernels.jit import Int32, UInt8, UInt32, helper, i32, kernel, text, u8, u32

UInt64 = npt.NDArray[np.uint64]
u64, u64_2d = uint64[::1], uint64[:, ::1]

ALPHABET = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
ID_LENGTH = 20
NO_DAY = -(2**31)  # a visit date that could not be read
PACKED = 37  # letters, digits, and nothing

PERSON_BITS, REST_BITS = 36, 61
NORMAL = np.uint64(1 << 59)  # among the low 61 bits
SPECIAL = np.uint64(1 << 60)
CODE_SHIFT = np.uint64(39)

_DIGIT = np.full(256, 255, dtype=np.uint8)
for _value, _letter in enumerate(ALPHABET):
    _DIGIT[_letter] = _value
_PLAIN = np.zeros(256, dtype=np.uint8)  # 0-9, A-Z as 1-36
for _value, _letter in enumerate(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
    _PLAIN[_letter] = _value + 1
_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_YEAR = 34**5  # seconds of a year fit below


@helper
def _number(buffer: UInt8, at: int, count: int) -> int:
    """Decimal digits as a number, -1 if any isn't one."""
    number = 0
    for i in range(count):
        digit = int(buffer[at + i]) - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@helper
def _letters(buffer: UInt8, at: int, count: int) -> int:
    """Base-34 characters as a number, -1 if any isn't one."""
    number = 0
    for i in range(count):
        digit = int(_DIGIT[buffer[at + i]])
        if digit == 255:
            return -1
        number = number * 34 + digit
    return number


@helper
def _is_special(buffer: UInt8, at: int) -> bool:
    """SM, MISS or a letter and three digits, then zeros; or twenty nines."""
    zeros = 0
    while zeros < ID_LENGTH and buffer[at + ID_LENGTH - 1 - zeros] == 48:
        zeros += 1
    first, second = buffer[at], buffer[at + 1]
    if zeros >= 18 and first == 83 and second == 77:
        return True
    if zeros >= 16 and 65 <= first <= 90:
        if _number(buffer, at + 1, 3) >= 0:
            return True
        return bool(first == 77 and second == 73 and buffer[at + 2] == 83 and buffer[at + 3] == 83)
    nines = 0
    while nines < ID_LENGTH and buffer[at + nines] == 57:
        nines += 1
    return nines == ID_LENGTH


@helper
def _fnv(hashed: np.uint64, buffer: UInt8, at: int, count: int) -> np.uint64:
    """FNV-1a, 64 bits, with the count, so that ("ab", "c") and ("a", "bc") differ."""
    for i in range(count):
        hashed = (hashed ^ np.uint64(buffer[at + i])) * _FNV_PRIME
    return (hashed ^ np.uint64(count + 256)) * _FNV_PRIME


@helper
def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, counting years from March."""
    year -= 1 if month <= 2 else 0
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468


@helper
def _day(buffer: UInt8, at: int, count: int) -> int:
    """Day of a ROC moment (yyyMMddHHmmss), ``NO_DAY`` where there is none."""
    if count < 7:
        return NO_DAY
    number = _number(buffer, at, 7)
    month, day = number // 100 % 100, number % 100
    if number < 0 or month < 1 or month > 12 or day < 1 or day > 31:
        return NO_DAY
    return days_from_civil(number // 10000 + 1911, month, day)


@kernel(void(text, i32, i32, u64_2d, u8))
def code_ids(buffer: UInt8, offset: Int32, length: Int32, key: UInt64, normal: UInt8) -> None:
    """Treatment ids as keys. ``normal`` is 0, and the key too, for special codes and non-ids."""
    for row in range(offset.shape[0]):
        at = int(offset[row])
        key[row, 0] = key[row, 1] = 0
        normal[row] = 0
        if length[row] != ID_LENGTH or _is_special(buffer, at):
            continue
        place, person = _letters(buffer, at, 6), _letters(buffer, at + 6, 7)
        service, second = _letters(buffer, at + 13, 1), _letters(buffer, at + 14, 6)
        if place < 0 or person < 0 or service < 0 or second < 0:
            continue
        rest = NORMAL | np.uint64(place * 34 + service)
        key[row, 0] = np.uint64(second) << np.uint64(33) | np.uint64(person) >> np.uint64(3)
        key[row, 1] = np.uint64(person & 7) << np.uint64(REST_BITS) | rest
        normal[row] = 1


@helper
def _person(buffer: UInt8, at: int, count: int) -> int:
    """A person's id as a treatment id holds it: two characters, seven digits, no check digit.

    How a treatment id writes a head with an I or O is not public; such a head is a hash, but the
    digits are those of the person's treatment ids.
    """
    digits = _number(buffer, at + 2, 7) if count >= 9 else -1
    if digits < 0:
        return int(np.int64(_fnv(_FNV_BASIS, buffer, at, max(count, 0)) % np.uint64(34**7)))
    head = _letters(buffer, at, 2)
    if head < 0:
        head = int(np.int64(_fnv(_FNV_BASIS, buffer, at, 2) % np.uint64(34**2)))
    return head * _YEAR + digits


@kernel(void(text, i32, i32, text, i32, i32, text, i32, i32, text, i32, i32, u8, u64_2d))
def code_composites(
    m15: UInt8, m15_at: Int32, m15_length: Int32, m05: UInt8, m05_at: Int32, m05_length: Int32,
    m03: UInt8, m03_at: Int32, m03_length: Int32, m11: UInt8, m11_at: Int32, m11_length: Int32,
    normal: UInt8, key: UInt64,
) -> None:  # fmt: skip
    """Keys of the rows that aren't ``normal``: special code, institution, person and moment."""
    for row in range(normal.shape[0]):
        if normal[row]:
            continue
        at, count = int(m11_at[row]), int(m11_length[row])
        second, day = 0, _day(m11, at, count)
        if day != NO_DAY and count == 13:
            year = _number(m11, at, 3)
            second = (day - days_from_civil(year + 1911, 1, 1)) * 86400
            second += _number(m11, at + 7, 2) * 3600 + _number(m11, at + 9, 2) * 60
            second = (year - 102) % 34 * _YEAR + second + _number(m11, at + 11, 2)
        person = _person(m03, int(m03_at[row]), int(m03_length[row]))
        code = 0
        if m15_length[row] == ID_LENGTH and _is_special(m15, int(m15_at[row])):
            for i in range(4):
                code = code * 36 + int(_PLAIN[m15[m15_at[row] + i]]) - 1
        hashed = _fnv(_FNV_BASIS, m15, int(m15_at[row]), max(int(m15_length[row]), 0))
        hashed = _fnv(hashed, m05, int(m05_at[row]), max(int(m05_length[row]), 0))
        hashed = _fnv(hashed, m03, int(m03_at[row]), max(int(m03_length[row]), 0))
        hashed = _fnv(hashed, m11, at, max(count, 0))
        rest = SPECIAL | np.uint64(code) << CODE_SHIFT | hashed >> np.uint64(64 - 39)
        key[row, 0] = np.uint64(second) << np.uint64(33) | np.uint64(person) >> np.uint64(3)
        key[row, 1] = np.uint64(person & 7) << np.uint64(REST_BITS) | rest


@helper
def _person_of(high: np.uint64, low: np.uint64) -> int:
    """The person's 36 bits of a key."""
    person = high << np.uint64(3) | low >> np.uint64(REST_BITS)
    return int(np.int64(person & np.uint64((1 << PERSON_BITS) - 1)))


@kernel(void(u64_2d, u8))
def spell_ids(key: UInt64, out: UInt8) -> None:
    """Keys as 20 characters each: the treatment id, or the special code."""
    for row in range(key.shape[0]):
        low, to = key[row, 1], row * ID_LENGTH
        if low & SPECIAL:
            code = np.int64((low & (SPECIAL - np.uint64(1))) >> CODE_SHIFT)
            nines = code == ((9 * 36 + 9) * 36 + 9) * 36 + 9
            for i in range(ID_LENGTH):
                out[to + i] = 57 if nines else 48
            for i in range(3, -1, -1):
                digit = code % 36
                out[to + i] = digit + (48 if digit < 10 else 55)
                code //= 36
            continue
        second = np.int64(key[row, 0] >> np.uint64(33))
        person = _person_of(key[row, 0], low)
        rest = np.int64(low & (NORMAL - np.uint64(1)))
        service, place = rest % 34, rest // 34
        for i in range(5, -1, -1):
            out[to + i] = ALPHABET[place % 34]
            place //= 34
        for i in range(12, 5, -1):
            out[to + i] = ALPHABET[person % 34]
            person //= 34
        out[to + 13] = ALPHABET[service]
        for i in range(19, 13, -1):
            out[to + i] = ALPHABET[second % 34]
            second //= 34


@kernel(void(u64_2d, u32))
def hash_persons(key: UInt64, out: UInt32) -> None:
    """A hash (FNV-1a, 32 bits) of the digits of each key's person as text: it decides the bucket.

    Of the digits alone, which are the same in all of a person's treatment ids and special codes.
    """
    letters = np.empty(5, np.uint8)
    for row in range(key.shape[0]):
        person = _person_of(key[row, 0], key[row, 1])
        for i in range(4, -1, -1):
            letters[i] = ALPHABET[person % 34]
            person //= 34
        hashed = np.uint32(2166136261)
        for i in range(5):
            hashed = np.uint32((hashed ^ np.uint32(letters[i])) * np.uint32(16777619))
        out[row] = hashed


@kernel(void(text, i32, i32, i32))
def visit_days(buffer: UInt8, offset: Int32, length: Int32, out: Int32) -> None:
    """Days since 1970-01-01 of ROC moments (yyyMMddHHmmss); ``NO_DAY`` where there is none."""
    for row in range(offset.shape[0]):
        out[row] = _day(buffer, int(offset[row]), int(length[row]))


@kernel(void(text, i32, i32, u64))
def pack_codes(buffer: UInt8, offset: Int32, length: Int32, out: UInt64) -> None:
    """Codes of up to ten capitals and digits as numbers; 0 for nothing, hashes for odd ones."""
    for row in range(offset.shape[0]):
        at, count = int(offset[row]), max(int(length[row]), 0)
        packed, plain = np.uint64(0), count <= 10
        for i in range(count if plain else 0):
            letter = _PLAIN[buffer[at + i]]
            plain &= letter != 0
            packed = packed * np.uint64(PACKED) + np.uint64(letter)
        out[row] = packed if plain else _fnv(_FNV_BASIS, buffer, at, count) | np.uint64(1 << 63)


@kernel(void(text, i32, i32, u32))
def four_bytes(buffer: UInt8, offset: Int32, length: Int32, out: UInt32) -> None:
    """Codes of up to four bytes as numbers; 0 for nothing."""
    for row in range(offset.shape[0]):
        number = np.uint32(0)
        for i in range(min(max(int(length[row]), 0), 4)):
            number = np.uint32(number << np.uint32(8)) | np.uint32(buffer[offset[row] + i])
        out[row] = number


@kernel(void(text, i32, i32, u8))
def last_digit(buffer: UInt8, offset: Int32, length: Int32, out: UInt8) -> None:
    """The last digit of a small number, 0 for nothing."""
    for row in range(offset.shape[0]):
        out[row] = 0
        if length[row] > 0:
            digit = buffer[offset[row] + length[row] - 1]
            if 48 <= digit <= 57:
                out[row] = digit - np.uint8(48)


@kernel(void(text, i32, i32, u8))
def refill_bits(buffer: UInt8, offset: Int32, length: Int32, out: UInt8) -> None:
    """The refills that M33 or M34 names, digit by digit, as bits: 0 for the first."""
    for row in range(offset.shape[0]):
        bits = 0
        for i in range(max(int(length[row]), 0)):
            digit = int(buffer[offset[row] + i]) - 48
            if 1 <= digit <= 8:
                bits |= 1 << (digit - 1)
        out[row] = bits

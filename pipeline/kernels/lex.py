"""The lexical pieces of the fast parser: white space, text, names, leaves. All at the buffer's end
are safe, since documents end in NULs, which no piece accepts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pipeline.kernels.simd import blank_run, text_run

inlined = njit(forceinline=True, nogil=True)
_LONGEST_COMMENT = 1 << 20  # bytes; libxml2 refuses those beyond 10 million, counted in UTF-8


@inlined
def _skip_blank(buf: Any, base: int, i: int) -> int:
    """Index of the next byte that is no white space."""
    while True:
        c = buf[i]
        if c == 32:
            i += blank_run(base + i)
        elif c == 10 or c == 13 or c == 9:
            i += 1
        else:
            return i


@inlined
def _comment_end(buf: Any, i: int, encoding: int) -> int:
    """Index behind the comment at ``i``; -1 if it is none that is well-formed, or too long."""
    if buf[i + 2] != 45 or buf[i + 3] != 45:
        return -1
    i += 4
    longest = i + _LONGEST_COMMENT
    while True:
        c = buf[i]
        if c >= 128:
            if encoding == 0:
                i += 2
            elif c == 0xEF and buf[i + 1] == 0xBF and buf[i + 2] >= 0xBE:
                return -1  # U+FFFE, U+FFFF
            else:
                i += 1
        elif c == 45 and buf[i + 1] == 45:
            return i + 3 if buf[i + 2] == 62 and i <= longest else -1
        elif c >= 32 or c == 9 or c == 10 or c == 13:
            i += 1
        else:
            return -1


@inlined
def skip_blank_and_comments(buf: Any, base: int, i: int, encoding: int) -> int:
    """Index of what follows white space and comments; -1 for a malformed comment."""
    i = _skip_blank(buf, base, i)
    while buf[i] == 60 and buf[i + 1] == 33:
        i = _comment_end(buf, i, encoding)
        if i < 0:
            return -1
        i = _skip_blank(buf, base, i)
    return i


@inlined
def _reference(buf: Any, i: int) -> int:
    """Index behind the reference at ``&``; -1 if it is none that is predefined and legal."""
    if buf[i + 1] == 35:  # &#
        hexadecimal = buf[i + 2] == 120
        i += 3 if hexadecimal else 2
        value, digits = 0, 0
        while buf[i] != 59:
            c: Any = np.int64(buf[i])
            if 48 <= c <= 57:
                digit = c - 48
            elif hexadecimal and 97 <= (c | 32) <= 102:
                digit = (c | 32) - 87
            else:
                return -1
            value = value * (16 if hexadecimal else 10) + digit
            digits += 1
            i += 1
            if digits > 8:
                return -1
        legal = (
            value == 9 or value == 10 or value == 13 or 0x20 <= value <= 0xD7FF
            or 0xE000 <= value <= 0xFFFD or 0x10000 <= value <= 0x10FFFF
        )  # fmt: skip
        return i + 1 if legal and digits > 0 else -1
    a, b, c, d, e = buf[i + 1], buf[i + 2], buf[i + 3], buf[i + 4], buf[i + 5]
    if (a == 108 or a == 103) and b == 116 and c == 59:  # lt gt
        return i + 4
    if a == 97 and b == 109 and c == 112 and d == 59:  # amp
        return i + 5
    quot = a == 113 and b == 117 and c == 111 and d == 116
    apos = a == 97 and b == 112 and c == 111 and d == 115
    return i + 6 if (quot or apos) and e == 59 else -1


@inlined
def text_end(buf: Any, base: int, i: int, encoding: int) -> Any:
    """(index of the next ``<``, whether the value differs from its bytes); (-1, _) to decline."""
    rewrite = 0
    while True:
        run = text_run(base + i)
        i += run
        if run == 32:
            continue
        c = buf[i]
        if c == 60:
            return i, rewrite
        if c >= 128:
            if encoding == 0:
                i += 2
                rewrite = 1
            elif c == 0xEF and buf[i + 1] == 0xBF and buf[i + 2] >= 0xBE:
                return -1, 0  # U+FFFE, U+FFFF
            else:
                i += 2 if c < 0xE0 else 3 if c < 0xF0 else 4
        elif c == 38:
            i = _reference(buf, i)
            if i < 0:
                return -1, 0
            rewrite = 1
        elif c == 13:
            rewrite = 1
            i += 1
        elif c == 10 or c == 9 or (c == 93 and not (buf[i + 1] == 93 and buf[i + 2] == 62)):
            i += 1
        else:
            return -1, 0


@inlined
def _name_end(buf: Any, i: int) -> int:
    """Index behind an ASCII element name starting at ``i``; -1 if there is none."""
    c = buf[i] | 32
    if not (97 <= c <= 122):
        return -1
    start = i
    while True:
        c = buf[i]
        if not (97 <= (c | 32) <= 122 or 48 <= c <= 57 or c == 95 or c == 45 or c == 46):
            return i if i - start <= 100 else -1
        i += 1


@inlined
def _same(buf: Any, a: int, b: int, length: int) -> bool:
    for k in range(length):  # noqa: SIM110 - a generator does not compile
        if buf[a + k] != buf[b + k]:
            return False
    return True


@inlined
def odd_leaf(buf: Any, base: int, i: int, encoding: int) -> Any:
    """An element with nothing but text, name of any form, at ``<``: (name end, index behind it).

    (-1, -1) to decline.
    """
    name_end = _name_end(buf, i + 1)
    if name_end < 0:
        return -1, -1
    if buf[name_end] == 47 and buf[name_end + 1] == 62:
        return name_end, name_end + 2
    if buf[name_end] != 62:
        return -1, -1
    end, _ = text_end(buf, base, name_end + 1, encoding)
    length = name_end - i - 1
    if end < 0 or buf[end + 1] != 47 or not _same(buf, i + 1, end + 2, length):
        return -1, -1
    if buf[end + 2 + length] != 62:
        return -1, -1
    return name_end, end + 3 + length


@inlined
def field_at(table: Any, word: int) -> Any:
    """Field of the tag ``Xdd`` in the low three bytes, as ``table`` numbers it; -1 if unknown."""
    letter = (word & 0xFF) - 65
    tens = ((word >> 8) & 0xFF) - 48
    ones = ((word >> 16) & 0xFF) - 48
    if letter < 0 or letter > 25 or tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1
    return table[letter * 100 + tens * 10 + ones]


@inlined
def container(buf: Any, i: int, length: int) -> Any:
    """Whether the name is one of RECS, REC, MSH, MB, MB1, MB2."""
    a, b, c = buf[i], buf[i + 1], buf[i + 2]
    if a == 77 and b == 66:
        return length == 2 or (length == 3 and (c == 49 or c == 50))
    if length == 3:
        return (a == 82 and b == 69 and c == 67) or (a == 77 and b == 83 and c == 72)
    return length == 4 and a == 82 and b == 69 and c == 67 and buf[i + 3] == 83

"""The fast parser: one pass over the bytes of uploads, straight to places of cells.

Takes documents laid end to end (each already checked against its encoding, NULs and 64 readable
bytes behind it); writes rows of places. It knows a strict subset of XML: elements without
attributes, text with predefined entities and character references. A document outside the subset
or beyond a limit is *declined*: its rows are taken back and ``pipeline.parse_lxml`` decides. It
must never accept what lxml refuses, nor see other values; tests compare the two on mutated bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pipeline.kernels.simd import blank_run, count_word, load32, load48, text_run

BIG5, UTF8 = 0, 1
OK, DECLINED = 0, 1
Y002, Y003, Y004, Y005 = range(4)  # pipeline.columns.FAULT_CODES

# names behind "<" as little-endian words
_REC_ = int.from_bytes(b"REC>", "little")
_MSH_ = int.from_bytes(b"MSH>", "little")
_MB1_ = int.from_bytes(b"MB1>", "little")
_MB2_ = int.from_bytes(b"MB2>", "little")
_MB_ = int.from_bytes(b"MB>", "little")
_LT_REC = int.from_bytes(b"<REC", "little")
_LT_MB2 = int.from_bytes(b"<MB2", "little")
_RECS_ = int.from_bytes(b"<RECS>", "little")
_END_RECS = int.from_bytes(b"</RECS", "little")
_END_REC = int.from_bytes(b"</REC>", "little")
_END_MSH = int.from_bytes(b"</MSH>", "little")
_END_MB1 = int.from_bytes(b"</MB1>", "little")
_END_MB2 = int.from_bytes(b"</MB2>", "little")
_END_MB = int.from_bytes(b"</MB>", "little")
_CLOSE = int.from_bytes(b"</\0\0\0>", "little")
_LOW24 = 0xFFFFFF
_LOW40 = 0xFFFFFFFFFF

# where we are
_IN_REC, _IN_MB, _IN_MSH, _IN_MB1, _IN_MB2 = range(5)

_inline = njit(cache=True, nogil=True, inline="never", boundscheck=False)


@_inline
def _skip_blank(buf: Any, base: int, i: int) -> int:
    while True:
        c = buf[i]
        if c == 32:
            i += blank_run(base + i)
        elif c == 10 or c == 13 or c == 9:
            i += 1
        else:
            return i


@_inline
def _reference(buf: Any, i: int) -> int:
    """Index behind the reference at ``&``; -1 if it is none that is predefined and legal."""
    if buf[i + 1] == 35:  # &#
        hexadecimal = buf[i + 2] == 120
        i += 3 if hexadecimal else 2
        value, digits = 0, 0
        while buf[i] != 59:
            c = np.int64(buf[i])
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


@_inline
def _text_end(buf: Any, base: int, i: int, encoding: int) -> Any:
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
        elif c == 10 or c == 9:
            i += 1
        elif c == 93 and not (buf[i + 1] == 93 and buf[i + 2] == 62):
            i += 1
        else:
            return -1, 0


@_inline
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


@_inline
def _same(buf: Any, a: int, b: int, length: int) -> bool:
    for k in range(length):
        if buf[a + k] != buf[b + k]:
            return False
    return True


@_inline
def _odd_leaf(buf: Any, base: int, i: int, encoding: int) -> Any:
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
    end, _ = _text_end(buf, base, name_end + 1, encoding)
    length = name_end - i - 1
    if end < 0 or buf[end + 1] != 47 or not _same(buf, i + 1, end + 2, length):
        return -1, -1
    if buf[end + 2 + length] != 62:
        return -1, -1
    return name_end, end + 3 + length


@_inline
def _fault(faults: Any, n: int, record: int, order: int, code: int, at: Any) -> int:
    """Write one structural fault; ``at`` is (offset, length, name offset, name length)."""
    if n < faults.shape[0]:
        faults[n, 0] = record
        faults[n, 1] = order
        faults[n, 2] = code
        faults[n, 3] = at[0]
        faults[n, 4] = at[1]
        faults[n, 5] = at[2]
        faults[n, 6] = at[3]
    return n + 1


@_inline
def _expected(where: int, field: int) -> bool:
    if where == 2:
        return 0 <= field < 2
    if where == 3:
        return 2 <= field < 64
    return field >= 64


@_inline
def _field_at(table: Any, word: int) -> int:
    """Field of the tag ``Xdd`` in the low three bytes: visit 0-63, order 64+, -1 unknown."""
    letter = (word & 0xFF) - 65
    tens = ((word >> 8) & 0xFF) - 48
    ones = ((word >> 16) & 0xFF) - 48
    if letter < 0 or letter > 25 or tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1
    return table[letter * 100 + tens * 10 + ones]


@_inline
def _document(
    buf: Any, base: int, i: int, stop: int, encoding: int, limits: Any, table: Any,
    visit_offset: Any, visit_length: Any, order_offset: Any, order_length: Any,
    records: Any, orders: Any, rewritten: Any, faults: Any, n: Any,
) -> bool:  # fmt: skip
    """Scan one document from the end of its declaration; ``n`` counts rows written so far.

    ``limits`` is (last record row, last order row, text bytes). False to decline.
    """
    i = _skip_blank(buf, base, i)
    if load48(base + i) != _RECS_:
        return False
    i += 6
    record, order, rewrites, fault = n[0], n[1], n[2], n[3]
    first = record
    where = -1
    seen_head, seen_body, seen_visit, row, order_in_record = False, False, False, 0, 0
    while True:
        i = _skip_blank(buf, base, i)
        if buf[i] != 60:
            return False
        if where >= 2:  # in MSH, MB1 or MB2: fields
            word = load32(base + i + 1)
            mark = word >> 24
            empty = mark == 47 and buf[i + 5] == 62
            field = _field_at(table, word) if mark == 62 or empty else -1
            if field >= 0 and _expected(where, field):
                is_order = field >= 64
                column = field - 64 if is_order else field
                row = order - 1 if is_order else record - 1
                at = i
                rewrite = 0
                if empty:
                    i += 6
                    start, end = i, i
                else:
                    start = i + 5
                    end, rewrite = _text_end(buf, base, start, encoding)
                    tag = _CLOSE | ((word & _LOW24) << 16)
                    if end < 0 or load48(base + end) != tag or end - start > limits[2]:
                        return False
                    i = end + 6
                lengths = order_length if is_order else visit_length
                if lengths[column, row] >= 0:
                    name = (at, i - at, at + 1, 3)
                    fault = _fault(
                        faults, fault, record - 1, order_in_record - 1 if is_order else -1, 3, name
                    )
                    continue
                (order_offset if is_order else visit_offset)[column, row] = start
                lengths[column, row] = end - start
                if rewrite:
                    if rewrites >= rewritten.shape[0]:
                        return False
                    rewritten[rewrites, 0] = is_order
                    rewritten[rewrites, 1] = column
                    rewritten[rewrites, 2] = row
                    rewritten[rewrites, 3] = start
                    rewritten[rewrites, 4] = end - start
                    rewrites += 1
                continue
            tag = load48(base + i)
            if where == 4 and tag == _END_MB2 or where == 3 and tag == _END_MB1:
                where = 1
                i += 6
                continue
            if where == 2 and tag == _END_MSH:
                where = 0
                i += 6
                continue
            if word & 0xFF == 47:
                return False
            name_end, behind = _odd_leaf(buf, base, i, encoding)
            if name_end < 0 or behind - i > limits[2]:
                return False
            known = field >= 0 or _container(buf, i + 1, name_end - i - 1)
            at = (i, behind - i, i + 1, name_end - i - 1)
            row = order_in_record - 1 if where == 4 else -1
            fault = _fault(faults, fault, record - 1, row, 3 if known else 2, at)
            i = behind
            continue
        tag = load48(base + i)
        word = load32(base + i + 1)
        if where == 1:  # in MB
            if word == _MB2_:
                if order >= limits[1]:
                    return False
                where = 4
                for f in range(order_length.shape[0]):
                    order_length[f, order] = -1
                orders[0, order] = record - 1
                orders[1, order] = i
                order += 1
                order_in_record += 1
                i += 5
            elif word == _MB1_ and not seen_visit and order_in_record == 0:
                where = 3
                seen_visit = True
                records[4, record - 1] = i
                i += 5
            elif tag & _LOW40 == _END_MB and seen_visit:
                where = 0
                i += 5
            else:
                return False
        elif where == 0:  # in REC
            if word == _MSH_ and not seen_head and not seen_body:
                where = 2
                seen_head = True
                i += 5
            elif word & _LOW24 == _MB_ and not seen_body:
                where = 1
                seen_body = True
                i += 4
            elif tag == _END_REC and seen_body:
                where = -1
                i += 6
                at = records[2, record - 1]
                records[3, record - 1] = i - at
                if not seen_head:
                    fault = _fault(faults, fault, record - 1, -1, 0, (at, 0, -1, 0))
            else:
                return False
        elif word == _REC_:
            if record >= limits[0]:
                return False
            where = 0
            seen_head, seen_body, seen_visit, order_in_record = False, False, False, 0
            for f in range(visit_length.shape[0]):
                visit_length[f, record] = -1
            records[1, record] = record - first + 1
            records[2, record] = i
            records[4, record] = i
            records[5, record] = order
            record += 1
            i += 5
        elif tag == _END_RECS and buf[i + 6] == 62 and record > first:
            break
        else:
            return False
    if _skip_blank(buf, base, i + 7) != stop or fault > faults.shape[0]:
        return False
    n[0], n[1], n[2], n[3] = record, order, rewrites, fault
    return True


@_inline
def _container(buf: Any, i: int, length: int) -> bool:
    """Whether the name is one of RECS, REC, MSH, MB, MB1, MB2."""
    a, b, c = buf[i], buf[i + 1], buf[i + 2]
    if a == 77 and b == 66:
        return length == 2 or length == 3 and (c == 49 or c == 50)
    if length == 3:
        return a == 82 and b == 69 and c == 67 or a == 77 and b == 83 and c == 72
    return length == 4 and a == 82 and b == 69 and c == 67 and buf[i + 3] == 83


@njit(
    types.void(
        types.Array(types.uint8, 1, "C", readonly=True),
        types.int64[::1],
        types.int64[::1],
        types.int64[:, ::1],
    ),
    cache=True,
    nogil=True,
)
def count_rows(buf: Any, starts: Any, stops: Any, out: Any) -> None:
    """Per document, how many records and orders the fast way can find at most: (documents, 2)."""
    base = buf.ctypes.data
    for d in range(starts.shape[0]):
        records, orders = 0, 0
        for i in range(starts[d], stops[d], 32):
            records += count_word(base + i, _LT_REC)
            orders += count_word(base + i, _LT_MB2)
        out[d, 0] = records
        out[d, 1] = orders


_int32_2d = types.int32[:, ::1]


@njit(
    types.void(
        types.Array(types.uint8, 1, "C", readonly=True), types.int64[::1], types.int64[::1],
        types.int64[::1], types.int64[:, ::1], types.Array(types.int16, 1, "C", readonly=True),
        _int32_2d, _int32_2d, _int32_2d, _int32_2d, _int32_2d, _int32_2d, _int32_2d, _int32_2d,
        types.int64[::1], types.uint8[::1],
    ),
    cache=True,
    nogil=True,
    boundscheck=False,
)  # fmt: skip
def scan(
    buf: Any, bodies: Any, stops: Any, encodings: Any, limits: Any, table: Any,
    visit_offset: Any, visit_length: Any, order_offset: Any, order_length: Any,
    records: Any, orders: Any, rewritten: Any, faults: Any, n: Any, status: Any,
) -> None:  # fmt: skip
    """Scan many documents into shared rows.

    ``bodies``/``stops``/``encodings`` are per document, ``limits`` (documents, 3) most records,
    most orders, text bytes. Rows: ``records`` (upload, number, offset, length, MB1 offset, first
    order), ``orders`` (record, offset), ``rewritten`` (order table?, field, row, offset, length),
    ``faults`` (record, order, code, offset, length, name offset, name length); ``n`` their counts.
    ``status`` gives OK or DECLINED per document.
    """
    base = buf.ctypes.data
    most = np.empty(3, np.int64)
    before = np.empty(4, np.int64)
    for d in range(bodies.shape[0]):
        before[:] = n
        most[0] = n[0] + limits[d, 0]
        most[1] = n[1] + limits[d, 1]
        most[2] = limits[d, 2]
        accepted = _document(
            buf, base, bodies[d], stops[d], encodings[d], most, table,
            visit_offset, visit_length, order_offset, order_length,
            records, orders, rewritten, faults, n,
        )  # fmt: skip
        if accepted:
            status[d] = 0
            for r in range(before[0], n[0]):
                records[0, r] = d
        else:
            status[d] = 1
            n[:] = before

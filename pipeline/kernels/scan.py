"""The fast parser: one pass over the bytes of uploads, straight to places of cells.

Takes documents laid end to end (each already checked against its encoding, NULs and 64 readable
bytes behind it); writes rows of places. It knows a strict subset of XML: elements without
attributes, text with predefined entities and character references. A document outside the subset
or beyond a limit is *declined*: its rows are taken back and ``pipeline.parse.careful`` decides. It
must never accept what lxml refuses, nor see other values; tests compare the two on mutated bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit, types

from pipeline.kernels.lex import (
    container,
    field_at,
    inlined,
    odd_leaf,
    skip_blank_and_comments,
    text_end,
)
from pipeline.kernels.simd import count_word, int16_at, int32_at, int64_at, load32, load48, uint8_at
from schemas import ORDER_FIELDS, VISIT_FIELDS

_carray: Any = vars(numba)["carray"]  # exported, but not in numba's type stubs
BIG5, UTF8 = 0, 1
OK, DECLINED = 0, 1
_Y002, _Y004, _Y005 = 0, 2, 3  # in pipeline.columns.FAULT_CODES


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")


# four bytes behind "<", or six from "<" on
_REC, _MSH, _MB1, _MB2, _MB = (_word(t) for t in (b"REC>", b"MSH>", b"MB1>", b"MB2>", b"MB>"))
_RECS, _END_RECS, _END_REC = (_word(t) for t in (b"<RECS>", b"</RECS", b"</REC>"))
_END_MSH, _END_MB1, _END_MB2, _END_MB = (
    _word(t) for t in (b"</MSH>", b"</MB1>", b"</MB2>", b"</MB>")
)
_END_FIELD = _word(b"</\0\0\0>")
_LT_REC, _LT_MB2 = _word(b"<REC"), _word(b"<MB2")
_THREE, _FIVE = 0xFFFFFF, 0xFFFFFFFFFF

# a field of the table is its box << BOX | its column; visits have the first two boxes
BOX = 6
MSH, MB1, MB2 = 0, 1, 2
_COLUMN = (1 << BOX) - 1
_VISIT_FIELDS, _ORDER_FIELDS = len(VISIT_FIELDS), len(ORDER_FIELDS)

# slots of the state
_RECORDS, _ORDERS, _REWRITTEN, _FAULTS, _WHERE, _FIRST_RECORD, _FIRST_ORDER, _SEEN = range(8)
# where: between records, or inside a box; fields stand in the last three
_IN_RECS, _IN_REC, _IN_MB, _IN_MSH, _IN_MB1, _IN_MB2, _DONE = range(7)
# seen: boxes of the record so far
_HEAD, _BODY, _VISIT = 1, 2, 4


class _Rows(NamedTuple):
    """The arrays a scan writes (see ``scan``), borrowed."""

    visit_offset: Any
    visit_length: Any
    order_offset: Any
    order_length: Any
    records: Any
    orders: Any
    rewritten: Any
    faults: Any


@inlined
def _fault(out: Any, s: Any, code: int, offset: int, length: int, name: int, size: int) -> None:
    """Write one structural fault of the open record."""
    n = s[_FAULTS]
    if n < out.faults.shape[0]:
        in_order = s[_WHERE] == _IN_MB2
        out.faults[n, 0] = s[_RECORDS] - 1
        out.faults[n, 1] = s[_ORDERS] - 1 - s[_FIRST_ORDER] if in_order else -1
        out.faults[n, 2] = code
        out.faults[n, 3] = offset
        out.faults[n, 4] = length
        out.faults[n, 5] = name
        out.faults[n, 6] = size
    s[_FAULTS] = n + 1


@inlined
def _clear(lengths: Any, row: int, usual: int) -> None:
    """A row has no cells yet. A loop over the ``usual`` number of columns, which is known when this
    is compiled, is unrolled: with any number the whole scan takes a tenth longer."""
    if lengths.shape[0] == usual:
        for column in range(usual):
            lengths[column, row] = -1
    else:
        for column in range(lengths.shape[0]):
            lengths[column, row] = -1


@inlined
def _cell(out: Any, s: Any, field: int, start: int, end: int, rewrite: int) -> bool:
    """Write the cell of a field; False if the record already has one."""
    is_order = field >= MB2 << BOX
    column = field & _COLUMN
    row = (s[_ORDERS] if is_order else s[_RECORDS]) - 1
    lengths = out.order_length if is_order else out.visit_length
    if lengths[column, row] >= 0:
        return False
    (out.order_offset if is_order else out.visit_offset)[column, row] = start
    lengths[column, row] = end - start
    n = s[_REWRITTEN]
    if rewrite:
        if n < out.rewritten.shape[0]:
            out.rewritten[n, 0] = is_order
            out.rewritten[n, 1] = column
            out.rewritten[n, 2] = row
            out.rewritten[n, 3] = start
            out.rewritten[n, 4] = end - start
        s[_REWRITTEN] = n + 1
    return True


@inlined
def _in_leaf_box(
    buf: Any, base: int, i: int, encoding: int, limits: Any, table: Any, out: Any, s: Any
) -> Any:
    """One tag inside MSH, MB1 or MB2; index behind it (behind the element), -1 to decline."""
    where = s[_WHERE]
    word = load32(base + i + 1)
    mark = word >> 24
    empty = mark == 47 and buf[i + 5] == 62
    field = field_at(table, word) if mark == 62 or empty else -1
    if field >= 0 and field >> BOX == where - _IN_MSH:
        start = i + 6 if empty else i + 5
        end, behind, rewrite = start, start, 0
        if not empty:
            end, rewrite = text_end(buf, base, start, encoding)
            tag = _END_FIELD | ((word & _THREE) << 16)
            if end < 0 or load48(base + end) != tag or end - start > limits[2]:
                return -1
            behind = end + 6
        if not _cell(out, s, field, start, end, rewrite):
            _fault(out, s, _Y005, i, behind - i, i + 1, 3)
        return behind
    tag = load48(base + i)
    if (tag == _END_MB2 and where == _IN_MB2) or (tag == _END_MB1 and where == _IN_MB1):
        s[_WHERE] = _IN_MB
        return i + 6
    if tag == _END_MSH and where == _IN_MSH:
        s[_WHERE] = _IN_REC
        return i + 6
    name_end, behind = odd_leaf(buf, base, i, encoding)
    if name_end < 0 or behind - i > limits[2]:
        return -1
    known = field >= 0 or container(buf, i + 1, name_end - i - 1)
    _fault(out, s, _Y005 if known else _Y004, i, behind - i, i + 1, name_end - i - 1)
    return behind


@inlined
def _in_record(base: int, i: int, limits: Any, out: Any, s: Any) -> int:
    """One tag inside REC or MB: a box begins or ends; index behind it, -1 to decline."""
    tag, word = load48(base + i), load32(base + i + 1)
    seen = s[_SEEN]
    if s[_WHERE] == _IN_MB:
        if word == _MB2 and s[_ORDERS] < limits[1]:
            _clear(out.order_length, s[_ORDERS], _ORDER_FIELDS)
            out.orders[0, s[_ORDERS]] = s[_RECORDS] - 1
            out.orders[1, s[_ORDERS]] = i
            s[_ORDERS] += 1
            s[_WHERE] = _IN_MB2
            return i + 5
        if word == _MB1 and not seen & _VISIT and s[_ORDERS] == s[_FIRST_ORDER]:
            out.records[4, s[_RECORDS] - 1] = i
            s[_SEEN] = seen | _VISIT
            s[_WHERE] = _IN_MB1
            return i + 5
        if tag & _FIVE == _END_MB and seen & _VISIT:
            s[_WHERE] = _IN_REC
            return i + 5
    elif word == _MSH and not seen:
        s[_SEEN] = _HEAD
        s[_WHERE] = _IN_MSH
        return i + 5
    elif word & _THREE == _MB and not seen & _BODY:
        s[_SEEN] = seen | _BODY
        s[_WHERE] = _IN_MB
        return i + 4
    elif tag == _END_REC and seen & _BODY:
        start = out.records[2, s[_RECORDS] - 1]
        out.records[3, s[_RECORDS] - 1] = i + 6 - start
        if not seen & _HEAD:
            _fault(out, s, _Y002, start, 0, -1, 0)
        s[_WHERE] = _IN_RECS
        return i + 6
    return -1


@inlined
def _in_recs(buf: Any, base: int, i: int, limits: Any, out: Any, s: Any) -> int:
    """One tag between records: a REC begins, or RECS ends; index behind it, -1 to decline."""
    record = s[_RECORDS]
    if load32(base + i + 1) == _REC and record < limits[0]:
        _clear(out.visit_length, record, _VISIT_FIELDS)
        out.records[1, record] = record - s[_FIRST_RECORD] + 1
        out.records[2, record] = i
        out.records[4, record] = i
        out.records[5, record] = s[_ORDERS]
        s[_RECORDS] = record + 1
        s[_FIRST_ORDER] = s[_ORDERS]
        s[_SEEN] = 0
        s[_WHERE] = _IN_REC
        return i + 5
    if load48(base + i) == _END_RECS and buf[i + 6] == 62 and record > s[_FIRST_RECORD]:
        s[_WHERE] = _DONE
        return i + 7
    return -1


@inlined
def _document(
    buf: Any, i: int, stop: int, encoding: int, limits: Any, table: Any, out: Any, s: Any
) -> bool:
    """Scan one document from the end of its declaration. False to decline.

    ``limits`` is (last record row, last order row, text bytes, faults).
    """
    faults = s[_FAULTS]
    base = buf.ctypes.data
    i = skip_blank_and_comments(buf, base, i, encoding)
    if i < 0 or load48(base + i) != _RECS:
        return False
    i += 6
    s[_WHERE] = _IN_RECS
    s[_FIRST_RECORD] = s[_RECORDS]
    while s[_WHERE] != _DONE:
        i = skip_blank_and_comments(buf, base, i, encoding)
        if i < 0 or buf[i] != 60:
            return False
        if s[_WHERE] >= _IN_MSH:
            i = _in_leaf_box(buf, base, i, encoding, limits, table, out, s)
        elif s[_WHERE] == _IN_RECS:
            i = _in_recs(buf, base, i, limits, out, s)
        else:
            i = _in_record(base, i, limits, out, s)
        if i < 0:
            return False
    room = s[_FAULTS] <= out.faults.shape[0] and s[_REWRITTEN] <= out.rewritten.shape[0]
    room = room and s[_FAULTS] - faults <= limits[3]
    return room and skip_blank_and_comments(buf, base, i, encoding) == stop


@inlined
def _borrow(array: Any) -> Any:
    """The same array without a reference count: counting at each call costs six times the scan."""
    return _carray(int32_at(array.ctypes.data), array.shape)


_bytes = types.Array(types.uint8, 1, "C", readonly=True)
_table = types.Array(types.int16, 1, "C", readonly=True)
_longs = types.int64[::1]
_ints = types.int32[:, ::1]


@njit(types.void(_bytes, _longs, _longs, types.int64[:, ::1]), cache=True, nogil=True)
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


@njit(
    types.void(
        _bytes, _longs, _longs, _longs, types.int64[:, ::1], _table,
        _ints, _ints, _ints, _ints, _ints, _ints, _ints, _ints, _longs, types.uint8[::1],
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def scan(
    buf: Any, bodies: Any, stops: Any, encodings: Any, limits: Any, table: Any,
    visit_offset: Any, visit_length: Any, order_offset: Any, order_length: Any,
    records: Any, orders: Any, rewritten: Any, faults: Any, n: Any, status: Any,
) -> None:  # fmt: skip
    """Scan many documents into shared rows.

    ``bodies``/``stops``/``encodings`` are per document, ``limits`` (documents, 4) most records,
    most orders, text bytes, faults; ``table`` fields by name (``field_at``), those of one version
    of the format. Rows: ``records`` (upload, number, offset, length, MB1 offset, first order; n),
    ``orders`` (record, offset; m), ``rewritten`` (k; order table?, field, row, offset, length),
    ``faults`` (f; record, order, code, offset, length, name offset, name length); ``n`` their
    counts. ``status`` gives OK or DECLINED per document.
    """
    out = _Rows(
        _borrow(visit_offset), _borrow(visit_length), _borrow(order_offset),
        _borrow(order_length), _borrow(records), _borrow(orders),
        _borrow(rewritten), _borrow(faults),
    )  # fmt: skip
    owned = np.zeros(16, np.int64)
    s = _carray(int64_at(owned.ctypes.data), 8)
    most = _carray(int64_at(owned.ctypes.data + 64), 4)
    before = np.zeros(8, np.int64)
    bytes_ = _carray(uint8_at(buf.ctypes.data), buf.shape[0])
    fields = _carray(int16_at(table.ctypes.data), table.shape[0])
    for d in range(bodies.shape[0]):
        before[:] = s
        most[0] = s[_RECORDS] + limits[d, 0]
        most[1] = s[_ORDERS] + limits[d, 1]
        most[2] = limits[d, 2]
        most[3] = limits[d, 3]
        if _document(bytes_, bodies[d], stops[d], encodings[d], most, fields, out, s):
            status[d] = OK
            records[0, before[_RECORDS] : s[_RECORDS]] = d
        else:
            status[d] = DECLINED
            s[:] = before
    n[:] = s[:4]

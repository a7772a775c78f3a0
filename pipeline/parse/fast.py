"""PURE: the fast way from bytes to rows. Declines what it does not know, refuses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32, Int64, UInt8
from pipeline.kernels.big5 import code_points
from pipeline.kernels.scan import BIG5, BOX, MB1, MB2, MSH, OK, UTF8, count_rows, scan
from pipeline.kernels.tail import rewrite
from pipeline.limits import Limits
from pipeline.parse.decode import Decoded
from pipeline.parse.rows import Rows
from schemas import Version

_BOXES = {"MSH": MSH, "MB1": MB1, "MB2": MB2}


@cache
def _field_table(version: Version) -> npt.NDArray[np.int16]:
    """Field by (letter, two digits), as ``scan`` numbers them, else -1."""
    table = np.full(2600, -1, np.int16)
    for name, field in version.catalogue.items():
        place = (ord(name[0]) - 65) * 100 + int(name[1:])
        table[place] = _BOXES[field.level] << BOX | field.index
    return table


def _columns(rows: int, columns: int) -> Int32:
    """Uninitialised columns whose heads do not share a cache set (no power-of-two stride)."""
    width = (rows + 1023) // 1024 * 1024 + 16
    return np.empty((columns, width), np.int32)


def parse_fast(
    buffer: UInt8,
    starts: Int64,
    stops: Int64,
    decoded: Sequence[Decoded],
    limits: Limits,
    version: Version,
) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Scan documents of ``buffer`` in one version of the format; rows of those accepted, and
    which were.

    ``buffer`` holds NULs between documents and 64 bytes behind the last. Upload numbers in the
    rows are places in the sequences given.
    """
    sizes = (stops - starts).tolist()
    found = np.empty((len(sizes), 2), np.int64)
    count_rows(buffer, starts, stops, found)
    bounds = np.empty((len(sizes), 4), np.int64)
    bounds[:, 0] = np.minimum(found[:, 0], [limits.most_records(size) for size in sizes])
    bounds[:, 1] = np.minimum(found[:, 1], [limits.most_orders(size) for size in sizes])
    bounds[:, 2] = limits.text_bytes
    bounds[:, 3] = [limits.most_findings(size) for size in sizes]
    most_records, most_orders = int(bounds[:, 0].sum()), int(bounds[:, 1].sum())
    visits, of_orders = len(version.visit_fields), len(version.order_fields)
    visit_offset, visit_length = (_columns(most_records, visits) for _ in "ol")
    order_offset, order_length = (_columns(most_orders, of_orders) for _ in "ol")
    records, orders = _columns(most_records, 6), _columns(most_orders, 2)
    rewritten = np.empty((sum(sizes) // 16 + 64, 5), np.int32)
    faults = np.empty((int(bounds[:, 3].sum()), 7), np.int32)
    counts = np.zeros(4, np.int64)
    status = np.empty(len(sizes), np.uint8)
    bodies = starts + np.array([d.body for d in decoded], np.int64)
    encodings = [BIG5 if d.encoding == "big5" else UTF8 for d in decoded]
    scan(
        buffer, bodies, stops,
        np.array(encodings, np.int64), bounds, _field_table(version),
        visit_offset, visit_length, order_offset, order_length,
        records, orders, rewritten, faults, counts, status,
    )  # fmt: skip
    n, m, k, f = counts.tolist()
    records, moved = records[:, :n], np.ascontiguousarray(rewritten[:k].T)
    big5 = np.array([e == BIG5 for e in encodings], np.uint8)
    tail = _rewrite(buffer, moved, records, orders[:, :m], big5, visit_offset, visit_length,
                    order_offset, order_length)  # fmt: skip
    rows = Rows(
        visit_offset[:, :n], visit_length[:, :n], order_offset[:, :m], order_length[:, :m],
        records, orders[:, :m], moved, tail, np.ascontiguousarray(faults[:f].T),
    )  # fmt: skip
    return rows, status == OK


def _rewrite(
    buffer: UInt8, moved: Int32, records: Int32, orders: Int32, big5: UInt8,
    visit_offset: Int32, visit_length: Int32, order_offset: Int32, order_length: Int32,
) -> UInt8:  # fmt: skip
    """Put the values of ``moved`` cells into a tail and point their cells there."""
    if moved.shape[1] == 0:
        return np.zeros(0, np.uint8)
    is_order, field, row = moved[0] == 1, moved[1], moved[2]
    record = row.copy()
    record[is_order] = orders[0, row[is_order]]
    raw_offset, raw_length = np.ascontiguousarray(moved[3]), np.ascontiguousarray(moved[4])
    at, size = np.empty_like(raw_offset), np.empty_like(raw_length)
    out = np.empty(int(raw_length.sum(dtype=np.int64)) * 3 // 2 + 8, np.uint8)
    points = code_points()
    written = rewrite(buffer, raw_offset, raw_length, big5[records[0, record]], points,
                      at, size, out)  # fmt: skip
    visit = ~is_order
    for offset, length, of in (
        (visit_offset, visit_length, visit),
        (order_offset, order_length, is_order),
    ):
        offset[field[of], row[of]] = at[of]
        length[field[of], row[of]] = size[of]
    return out[:written]

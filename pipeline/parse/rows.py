"""Rows on their way into a batch: what either parser gives for the documents it accepted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.columns import Int32, UInt8
from schemas import Version

MISSING_NAMES = ("MSH", "MB", "MB1")


@dataclass(frozen=True)
class Rows:
    """Parsed documents as arrays of places in the batch's buffer.

    ``records`` (6, n): upload, number from 1, offset, length, MB1 offset (or REC), first order.
    ``orders`` (2, m): record, offset. ``moved`` (5, k): order table?, field, row, raw offset, raw
    length; the cells' offsets are places in ``tail``. ``faults`` (7, f): record, order in record
    or -1, index into FAULT_CODES, offset, length, name offset, name length; where an element is
    missing, -1 and the name's index in ``MISSING_NAMES``.
    """

    visit_offset: Int32
    visit_length: Int32
    order_offset: Int32
    order_length: Int32
    records: Int32
    orders: Int32
    moved: Int32
    tail: UInt8
    faults: Int32


def empty_rows(version: Version) -> Rows:
    """No rows at all of a version's fields."""

    def table(*shape: int) -> Int32:
        return np.zeros(shape, np.int32)

    visit, order = len(version.visit_fields), len(version.order_fields)
    return Rows(
        table(visit, 0), table(visit, 0), table(order, 0), table(order, 0),
        table(6, 0), table(2, 0), table(5, 0), np.zeros(0, np.uint8), table(7, 0),
    )  # fmt: skip

"""PURE: the growing rows of one document; turned into tables of places at the end.

Cells and orders are kept as plain numbers, a few bytes each: a document may have ten million.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection

import numpy as np

from pipeline.columns import ABSENT, FAULT_CODES, Int32
from pipeline.parse.rows import MISSING_NAMES, Rows
from pipeline.parse.tokens import Tag
from schemas import Version


class Transcript:
    """Records, orders, cells and faults of one document, at offsets of the upload."""

    def __init__(self, payload: bytes, codec: str, version: Version) -> None:
        self._payload = payload
        self._version = version
        self._fields = version.catalogue
        self._codec = codec
        self.records: list[list[int]] = []  # number, offset, -, length, MB1 offset, first order
        self.faults: list[list[int]] = []  # as Rows.faults, name as its place or -1
        self._orders = array("i")  # record, offset; and so on
        self._cells = (array("i"), array("i"))  # of visits, of orders: column, row, offset, length
        self._moved = array("i")  # as Rows.moved, each a column
        self._tail = bytearray()
        self._names: set[str] = set()

    @property
    def orders(self) -> int:
        """The orders so far."""
        return len(self._orders) // 2

    def record(self, at: int) -> None:
        """A REC begins."""
        self.records.append([0, len(self.records) + 1, at, 0, at, self.orders])
        self._names = set()

    def order(self, at: int) -> None:
        """An MB2 begins."""
        self._orders.extend((len(self.records) - 1, at))
        self._names = set()

    @property
    def names(self) -> Collection[str]:
        """The fields so far of the record, or of the order since one began."""
        return self._names

    def cell(self, name: str, start: int, stop: int, text: str) -> None:
        """A field's value, and the span between its tags."""
        self._names.add(name)
        field = self._fields[name]
        is_order, column = field.is_order, field.index
        row = (self.orders if is_order else len(self.records)) - 1
        value = text.encode("utf-8")
        offset = start
        if value != self._payload[start:stop]:
            offset = len(self._tail)
            self._moved.extend((is_order, column, row, start, stop - start))
            self._tail += value
        self._cells[is_order].extend((column, row, offset, len(value)))

    def fault(self, code: str, start: int, length: int, element: Tag, in_order: bool) -> int:
        """A fault of the open record; gives its index."""
        order = self.orders - 1 - self.records[-1][5] if in_order else -1
        self.faults.append([
            len(self.records) - 1, order, FAULT_CODES.index(code), start, length,
            element.start + 1, len(element.name.encode(self._codec)),
        ])  # fmt: skip
        return len(self.faults) - 1

    def missing(self, code: str, at: int, name: str) -> None:
        """A fault for an element that should be inside the one at ``at``."""
        record = len(self.records) - 1
        self.faults.append(
            [record, -1, FAULT_CODES.index(code), at, 0, -1, MISSING_NAMES.index(name)]
        )

    def rows(self, start: int, upload: int) -> Rows:
        """The tables, at offsets of a buffer in which the payload begins at ``start``."""
        moved = _columns(self._moved, 5)
        of_visits, of_orders = len(self._version.visit_fields), len(self._version.order_fields)
        visits = _table(self._cells[0], of_visits, len(self.records), start)
        orders = _table(self._cells[1], of_orders, self.orders, start)
        for (offset, _), of in ((visits, moved[0] == 0), (orders, moved[0] == 1)):
            offset[moved[1, of], moved[2, of]] -= start  # these are offsets of the tail
        moved[3] += start
        records = _columns(array("i", [n for row in self.records for n in row]), 6)
        records[0] = upload
        records[2] += start
        records[4] += start
        order_rows = _columns(self._orders, 2)
        order_rows[1] += start
        faults = _columns(array("i", [n for row in self.faults for n in row]), 7)
        faults[3] += start
        faults[5, faults[5] >= 0] += start
        return Rows(
            *visits, *orders, records, order_rows, moved,
            np.frombuffer(bytes(self._tail), np.uint8), faults,
        )  # fmt: skip


def _columns(numbers: array[int], width: int) -> Int32:
    return np.ascontiguousarray(np.array(numbers, np.int32).reshape(-1, width).T)


def _table(cells: array[int], columns: int, rows: int, start: int) -> tuple[Int32, Int32]:
    """Offsets and lengths by column and row."""
    offset = np.zeros((columns, rows), np.int32)
    length = np.full((columns, rows), ABSENT, np.int32)
    column, row, at, size = _columns(cells, 4)
    offset[column, row] = at + np.int32(start)
    length[column, row] = size
    return offset, length

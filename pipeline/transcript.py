"""PURE: the growing rows of one document, in plain lists; turned into arrays at the end."""

from __future__ import annotations

import numpy as np

from pipeline.columns import ABSENT, FAULT_CODES, Int32
from pipeline.rows import MISSING_NAMES, Rows
from pipeline.tokens import Tag
from schemas import ORDER_FIELDS, VISIT_FIELDS

_ORDER = frozenset(ORDER_FIELDS)
_Cells = dict[str, tuple[int, int, str]]  # field -> start, stop (bytes of the upload), value


class Transcript:
    """Records, orders, cells and faults of one document, at offsets of the upload."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self.records: list[list[int]] = []  # number, offset, -, length, MB1 offset, first order
        self.orders: list[list[int]] = []  # record, offset
        self.faults: list[list[int]] = []  # as Rows.faults, name as its place or -1
        self._visit_cells: list[_Cells] = []
        self._order_cells: list[_Cells] = []

    def record(self, at: int) -> None:
        """A REC begins."""
        self.records.append([0, len(self.records) + 1, at, 0, at, len(self.orders)])
        self._visit_cells.append({})

    def order(self, at: int) -> None:
        """An MB2 begins."""
        self.orders.append([len(self.records) - 1, at])
        self._order_cells.append({})

    def current(self, box: str) -> _Cells:
        """The cells so far of the MSH and MB1, or of the MB2, that is open."""
        return self._order_cells[-1] if box == "MB2" else self._visit_cells[-1]

    def cell(self, name: str, start: int, stop: int, value: str) -> None:
        """A field's value, and the span between its tags."""
        self.current("MB2" if name in _ORDER else "MB1")[name] = (start, stop, value)

    def fault(self, code: str, start: int, length: int, element: Tag, in_order: bool) -> int:
        """A fault of the open record; gives its index."""
        order = len(self.orders) - 1 - self.records[-1][5] if in_order else -1
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

    def rows(self, payload: bytes, start: int, upload: int) -> Rows:
        """The arrays, at offsets of a buffer in which the payload begins at ``start``."""
        tail = bytearray()
        moved: list[list[int]] = []
        visits = _columns(self._visit_cells, VISIT_FIELDS, False, payload, start, tail, moved)
        orders = _columns(self._order_cells, ORDER_FIELDS, True, payload, start, tail, moved)
        records = _table(self.records, 6)
        records[0] = upload
        records[2] += start
        records[4] += start
        order_rows = _table(self.orders, 2)
        order_rows[1] += start
        faults = _table(self.faults, 7)
        faults[3] += start
        faults[5, faults[5] >= 0] += start
        return Rows(
            *visits, *orders, records, order_rows, _table(moved, 5),
            np.frombuffer(bytes(tail), np.uint8), faults,
        )  # fmt: skip


def _table(rows: list[list[int]], width: int) -> Int32:
    return np.ascontiguousarray(np.array(rows, np.int32).reshape(-1, width).T)


def _columns(
    cells: list[_Cells], ids: tuple[str, ...], is_order: bool, payload: bytes, start: int,
    tail: bytearray, moved: list[list[int]],
) -> tuple[Int32, Int32]:  # fmt: skip
    offset = np.zeros((len(ids), len(cells)), np.int32)
    length = np.full((len(ids), len(cells)), ABSENT, np.int32)
    for column, name in enumerate(ids):
        for row, found in enumerate(cells):
            if name not in found:
                continue
            begin, stop, text = found[name]
            value = text.encode("utf-8")
            length[column, row] = len(value)
            if value == payload[begin:stop]:
                offset[column, row] = start + begin
            else:
                offset[column, row] = len(tail)
                moved.append([int(is_order), column, row, start + begin, stop - begin])
                tail += value
    return offset, length

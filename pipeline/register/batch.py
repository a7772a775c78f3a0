"""The rows of a registration file and its name → a batch, as the rule engine reads uploads.

One record, whose fields are those of the file; every row is one of its orders. Values that do not
stand in the payload byte for byte (the name's, Chinese text, doubled quotation marks) stand in the
tail.
"""

from __future__ import annotations

import numpy as np

from pipeline.columns import ABSENT, Batch, Cells, Faults, Moved
from pipeline.register.sheet import Cell, Sheet
from schemas.fields import REGISTRATIONS, registration_fields

FILE_FIELDS = tuple(f.id for f in registration_fields().values() if not f.is_order)
ROW_FIELDS = tuple(f.id for f in registration_fields().values() if f.is_order)

_ROOM = bytes(64)  # kernels may read over the end of a text
_Entry = tuple[bool, int, int, int, int]  # (of a row, field, row, offset, length)


def batch_of(payload: bytes, sheet: Sheet, named: dict[str, str]) -> Batch:
    """The batch of one file; ``named`` are the fields of its name (``name_fields``)."""
    tail = _Tail(len(payload))
    of_file = {name: Cell(0, 0, text) for name, text in named.items()}
    of_file |= {n: c for n, c in (("U04", sheet.header), ("U05", sheet.separator)) if c is not None}
    visits = tail.cells(False, [tuple(of_file.get(name) for name in FILE_FIELDS)], len(FILE_FIELDS))
    orders = tail.cells(True, sheet.cells, len(ROW_FIELDS))
    none, rows = np.zeros(0, np.int32), len(sheet.cells)
    first, one = np.zeros(1, np.int32), np.ones(1, np.int32)
    return Batch(
        buffer=np.frombuffer(bytearray(payload + tail.text + _ROOM), np.uint8),
        tail=len(payload),
        start=np.zeros(1, np.int64),
        stop=np.full(1, len(payload), np.int64),
        first_record=np.array([0, 1], np.int32),
        visits=visits,
        orders=orders,
        record_upload=first,
        record_number=one,
        record_offset=first,
        record_length=np.full(1, len(payload), np.int32),
        record_head=first,
        first_order=np.array([0, rows], np.int32),
        order_record=np.zeros(rows, np.int32),
        order_offset=np.array(sheet.places, np.int32).reshape(-1, 2)[:, 0].copy(),
        moved=tail.moved(),
        faults=Faults(none, none, none.astype(np.uint8), none, none, none, ()),
        layout=REGISTRATIONS,
    )


class _Tail:
    """Gathers the values that stand behind the payload."""

    def __init__(self, start: int) -> None:
        self._pieces: list[bytes] = []
        self._end = start
        self._entries: list[_Entry] = []

    @property
    def text(self) -> bytes:
        return b"".join(self._pieces)

    def cells(self, of_rows: bool, rows: list[tuple[Cell | None, ...]], fields: int) -> Cells:
        """Cells of one table, one column a row; its moved values are put behind the payload."""
        offset = np.zeros((fields, len(rows)), np.int32)
        length = np.full((fields, len(rows)), ABSENT, np.int32)
        for row, cells in enumerate(rows):
            for field, cell in enumerate(cells):
                if cell is None:
                    continue
                offset[field, row], length[field, row] = cell.offset, cell.length
                if cell.text is not None:
                    value = cell.text.encode()
                    offset[field, row], length[field, row] = self._end, len(value)
                    self._pieces.append(value)
                    self._end += len(value)
                    self._entries.append((of_rows, field, row, cell.offset, cell.length))
        return Cells(offset, length)

    def moved(self) -> Moved:
        """Where the moved values stood, sorted as ``Moved`` wants them."""
        columns = np.array(sorted(self._entries), np.int32).reshape(-1, 5).T
        return Moved(columns[0].astype(np.uint8), *(columns[i].copy() for i in range(1, 5)))

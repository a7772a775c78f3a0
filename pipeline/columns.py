"""What parsing gives: the cells of one or many uploads as columns of places in one buffer.

A batch holds the payloads of its uploads end to end in ``buffer``, followed by a tail with the
UTF-8 form of every value that does not stand in its payload byte for byte (Chinese text,
entities, CDATA, line ends). ``offset``/``length`` of a cell always point at its *value*; where
that is in the tail, ``moved`` knows the place in the payload. So everything downstream reads
ASCII or UTF-8 and never asks about encodings, and a finding still names the bytes as received.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from schemas.fields import VISITS

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

ABSENT = -1  # length of a cell whose element is not there; 0 is an element without text


@dataclass(frozen=True)
class Cells:
    """The cells of one table: one row a field, one column a record (or order).

    ``offset`` and ``length`` are int32 of shape (fields, rows), in bytes; ``length`` is -1 where
    the element is absent. Rows follow the fields of the batch's layout (``schemas.layouts``).
    """

    offset: Int32
    length: Int32

    @property
    def rows(self) -> int:
        return int(self.offset.shape[1])


@dataclass(frozen=True)
class Moved:
    """Cells whose value stands in the tail, and where their bytes stood in the payload.

    Parallel arrays sorted by (order table?, field, row); ``offset``/``length`` are the raw bytes
    between the tags.
    """

    is_order: UInt8
    field: Int32
    row: Int32
    offset: Int32
    length: Int32

    @cached_property
    def places(self) -> dict[tuple[bool, int, int], tuple[int, int]]:
        """(is_order, field, row) -> (offset, length) in the payload."""
        keys = zip(self.is_order.tolist(), self.field.tolist(), self.row.tolist(), strict=True)
        places = zip(self.offset.tolist(), self.length.tolist(), strict=True)
        return {(bool(o), f, r): p for (o, f, r), p in zip(keys, places, strict=True)}


@dataclass(frozen=True)
class Faults:
    """Structural faults confined to one record, in document order (parallel arrays).

    ``code`` indexes ``FAULT_CODES``; ``order`` is the order's row within its record or -1;
    ``offset``/``length`` the element in the buffer; ``name`` indexes ``names`` (element names).
    """

    record: Int32
    order: Int32
    code: UInt8
    offset: Int32
    length: Int32
    name: Int32
    names: tuple[str, ...]


FAULT_CODES = ("Y002", "Y003", "Y004", "Y005")


@dataclass(frozen=True)
class Batch:
    """Parsed uploads as columns. Rows of one upload are contiguous, in document order.

    All uploads of a batch are of one kind, ``layout``; it says what fields the columns hold.

    ``start``/``stop`` (uploads + 1 values would not do: refused uploads have no rows) give each
    upload's payload in ``buffer``; ``first_record`` (uploads + 1) its records. Per record:
    ``record_upload``, ``record_number`` (from 1), ``record_offset``/``record_length`` (the REC
    element), ``record_head`` (the MB1 start tag, or REC where there is none: the place of a
    missing field) and ``first_order`` (records + 1). Per order: ``order_record`` and
    ``order_offset`` (the MB2 start tag).
    """

    buffer: UInt8
    tail: int
    start: Int64
    stop: Int64
    first_record: Int32
    visits: Cells
    orders: Cells
    record_upload: Int32
    record_number: Int32
    record_offset: Int32
    record_length: Int32
    record_head: Int32
    first_order: Int32
    order_record: Int32
    order_offset: Int32
    moved: Moved
    faults: Faults
    layout: str = VISITS

    @property
    def uploads(self) -> int:
        return int(self.start.shape[0])

    def value(self, is_order: bool, field: int, row: int) -> str | None:
        """The text of one cell, ``None`` where the element is absent."""
        cells = self.orders if is_order else self.visits
        length = int(cells.length[field, row])
        if length < 0:
            return None
        offset = int(cells.offset[field, row])
        return self.buffer[offset : offset + length].tobytes().decode("utf-8")

    def place(self, is_order: bool, field: int, row: int) -> tuple[int, int]:
        """(offset, length) in ``buffer`` of a cell's bytes as received.

        A missing element stands at its parent's start tag with length 0.
        """
        cells = self.orders if is_order else self.visits
        length = int(cells.length[field, row])
        if length < 0:
            return int((self.order_offset if is_order else self.record_head)[row]), 0
        offset = int(cells.offset[field, row])
        if offset < self.tail:
            return offset, length
        return self.moved.places[is_order, field, row]

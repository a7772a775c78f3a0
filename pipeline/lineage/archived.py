"""One archived upload opened: its bytes, and where its records and orders stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.lineage.visit import Row, Span, Visit
from pipeline.report.answer import Source
from pipeline.report.stored import stored_source
from pipeline.store.layout import Layout
from pipeline.store.raw import read_upload

_CODECS = {"big5": "cp950", "utf-8": "utf-8"}
_ORDER_END = b"</MB2"  # no second byte of a Big5 pair is "<" or "/"


@dataclass(frozen=True)
class Archived:
    """A stored upload with its bytes."""

    row: Row
    payload: bytes

    @cached_property
    def source(self) -> Source | None:
        """Its values; ``None`` where it can't be cut into records."""
        return None if self.row["status"] == "refused" else stored_source(self.row, self.payload)

    @property
    def records(self) -> int:
        """How many records there are."""
        return 0 if self.source is None else len(self.source.batch.record_number)

    def records_of(self, visit: Visit) -> list[int]:
        """The records that name a visit, from 1."""
        if visit.treatment_id.encode() not in self.payload:
            return []
        return [n for n in range(1, self.records + 1) if self.names(visit, n)]

    def names(self, visit: Visit, record: int) -> bool:
        """Whether a record names a visit."""
        return self.source is not None and visit.is_record(self.source, record)

    def record(self, number: int) -> Span:
        """The REC element of a record. Raises ``IndexError`` if there is none."""
        if self.source is None or not 1 <= number <= self.records:
            raise IndexError(number)
        batch, row = self.source.batch, self.source.row(number)
        return Span(int(batch.record_offset[row] - self._start), int(batch.record_length[row]))

    def orders(self, record: int) -> list[Span]:
        """The MB2 elements of a record, in order."""
        whole = self.record(record)
        assert self.source is not None  # noqa: S101
        batch, row = self.source.batch, self.source.row(record)
        first, last = batch.first_order[row : row + 2].tolist()
        starts = (batch.order_offset[first:last] - self._start).tolist()
        ends = [*starts[1:], whole.offset + whole.length]
        spans = []
        for start, end in zip(starts, ends, strict=True):
            closed = self.payload.rfind(_ORDER_END, start, end)
            stop = self.payload.find(b">", closed, end) + 1 if closed >= 0 else end
            spans.append(Span(start, stop - start))
        return spans

    def bytes_at(self, place: Span) -> bytes:
        """The bytes of a place, exactly as received."""
        return self.payload[place.offset : place.offset + place.length]

    def text_at(self, place: Span) -> str:
        """The same decoded."""
        codec = _CODECS.get(self.row["encoding"] or "", "cp950")
        return self.bytes_at(place).decode(codec, "replace")

    @property
    def _start(self) -> int:
        assert self.source is not None  # noqa: S101
        return int(np.asarray(self.source.batch.start)[0])


def open_archived(layout: Layout, row: Row) -> Archived | None:
    """An upload's bytes from the archive; ``None`` where nothing could be unpacked, so nothing was
    kept. Raises ``StoreUnusableError`` if they are damaged."""
    try:
        return Archived(row, read_upload(layout, bytes.fromhex(row["sha256"])))
    except KeyError:
        return None

"""The XML of a record as sent, masked, cut where findings mark it. Pure.

A finding marks what its bytes are; an element that is absent is marked where it belongs, by a
segment without text; one that is empty by its tags; the whole order segment (MB2) by the order.
Marks cover whole parts of the masked text, so that no cut shows what masking hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.report.answer import Finding
from pipeline.report.mark_places import Mark, mark_of, order_spans
from pipeline.report.places import CODECS
from pipeline.report.printable import printable, shortened
from pipeline.report.record_xml import Part, masked_parts

_LONG_LINE: Final = 300  # characters, beyond which rows are broken between elements
_UNLIMITED: Final = 1 << 31


@dataclass(frozen=True)
class Segment:
    """A stretch of one row. ``findings`` are places in the list of findings that mark it; with an
    empty ``text`` something is absent here.

    ``line`` is that of the upload, from 1, ``row`` the one it is shown in, from 1: where an upload
    has no line breaks, rows are broken between elements. ``order`` is the order it is of.
    """

    text: str
    findings: tuple[int, ...]
    line: int
    row: int
    order: int | None


@dataclass(frozen=True)
class RecordBytes:
    """The bytes of a record as received: where they begin in the upload, and on what line."""

    data: bytes
    offset: int
    line: int
    encoding: str


def marked_xml(record: RecordBytes, findings: Sequence[Finding]) -> list[Segment]:
    """The record in segments, in order; ``findings`` are those of the record."""
    codec = CODECS.get(record.encoding, "cp950")
    xml = record.data.decode(codec, "replace")
    orders = order_spans(xml)
    at = _characters(record, codec, findings)
    marks = [mark_of(xml, orders, finding, *at[number]) for number, finding in enumerate(findings)]
    return list(_joined(_cut(xml, record.line, marks, orders)))


def _characters(
    record: RecordBytes, codec: str, findings: Sequence[Finding]
) -> list[tuple[int, int]]:
    """Where each finding begins and ends, in characters of the record."""
    bytes_at = [
        (max(f.offset - record.offset, 0), max(f.offset - record.offset, 0) + f.length)
        for f in findings
    ]
    if record.data.isascii():
        return bytes_at
    known, characters, done = {}, 0, 0
    for offset in sorted({offset for pair in bytes_at for offset in pair}):
        characters += len(record.data[done:offset].decode(codec, "replace"))
        known[offset], done = characters, offset
    return [(known[start], known[stop]) for start, stop in bytes_at]


def _cut(xml: str, line: int, marks: Sequence[Mark], orders: Sequence[Mark]) -> Iterator[Segment]:
    """The parts as segments of one row each."""
    absent = _Queue(marks, [n for n, mark in enumerate(marks) if mark.start == mark.stop])
    spanning = _Queue(marks, [n for n, mark in enumerate(marks) if mark.start < mark.stop])
    of_orders = _Queue(orders, range(len(orders)))
    order: int | None = None
    breaking = max(map(len, xml.split("\n")), default=0) > _LONG_LINE
    row = 1
    for part in masked_parts(xml):
        if part.start == part.stop:
            continue
        for number in absent.begun_by(part.start):
            yield Segment("", (number,), line, row, order)
        row += breaking and _begins_row(xml, part)
        order = next((n + 1 for n in of_orders.around(part)), None)
        marked = spanning.around(part)
        for place, text in enumerate(_rows(part)):
            row, line = (row + 1, line + 1) if place else (row, line)
            yield Segment(text, marked, line, row, order)
        line += xml.count("\n", part.start, part.stop) - part.shown.count("\n")
    for number in absent.begun_by(len(xml)):
        yield Segment("", (number,), line, row, None)


class _Queue:
    """Marks by where they begin, asked from the front of a text to its end."""

    def __init__(self, marks: Sequence[Mark], numbers: Iterable[int]) -> None:
        self._marks = marks
        self._following = sorted(numbers, key=lambda n: marks[n], reverse=True)
        self._open: list[int] = []

    def begun_by(self, place: int) -> list[int]:
        """Those that begin up to a place and were not given before."""
        begun = []
        while self._following and self._marks[self._following[-1]].start <= place:
            begun.append(self._following.pop())
        return begun

    def around(self, part: Part) -> tuple[int, ...]:
        """Those that cover something of a part."""
        self._open = [n for n in self._open if self._marks[n].stop > part.start]
        self._open += self.begun_by(part.stop - 1)
        return tuple(sorted(self._open))


def _rows(part: Part) -> list[str]:
    """What is shown of a part, by line; text too long to be read is cut."""
    lines = part.shown.replace("\r\n", "\n").split("\n")
    return [printable(shortened(line), _UNLIMITED) for line in lines]


def _begins_row(xml: str, part: Part) -> bool:
    """Whether a part begins an element right behind another tag, or closes one that has some."""
    if not part.start or xml[part.start - 1] != ">" or not xml.startswith("<", part.start):
        return False
    closes = xml.startswith("</", part.start)
    before = xml.rfind("<", 0, part.start)
    return not closes or xml.startswith("</", before)


def _joined(segments: Iterator[Segment]) -> Iterator[Segment]:
    """Segments that only differ in their text made one."""
    last: Segment | None = None
    texts: list[str] = []
    for one in segments:
        if last is not None and _alike(last, one):
            texts.append(one.text)
            continue
        if last is not None:
            yield _with_text(last, texts)
        last, texts = one, [one.text]
    if last is not None:
        yield _with_text(last, texts)


def _alike(one: Segment, other: Segment) -> bool:
    absent = not (one.text and other.text) and (one.findings or other.findings)
    return not absent and (one.findings, one.row, one.order) == (
        other.findings, other.row, other.order,
    )  # fmt: skip


def _with_text(segment: Segment, texts: Sequence[str]) -> Segment:
    return Segment("".join(texts), segment.findings, segment.line, segment.row, segment.order)

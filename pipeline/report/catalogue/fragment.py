"""An example as the piece of XML that matters: the fields a rule reads, the guilty ones marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from pipeline.report.catalogue.records import ExampleRecord
from pipeline.report.printable import shortened
from rules.model import Base, Example
from schemas import V1, V2, Version, every_field

State = Literal["plain", "cut", "good", "bad", "missing", "also"]

_FIELD = re.compile(r"\b[AHMDVE][0-9]{2}\b")
_FINDING = re.compile(r"(?P<field>[A-Z0-9]+)(?:\[(?P<order>[0-9]+)\])?:(?P<code>[A-Z0-9]+)")
_LONGEST_VALUE = 40
_MOST_ORDERS = 4


@dataclass(frozen=True)
class Piece:
    """A run of one line. ``codes`` are the findings that stand on it."""

    text: str
    state: State = "plain"
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of the fragment; ``depth`` is its indentation in steps."""

    depth: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Focus:
    """What a fragment is about: the code, the field it stands on, the fields to show."""

    code: str
    field: str
    read: frozenset[str]

    @property
    def reads_orders(self) -> bool:
        """Whether a field of orders is among them."""
        return any(every_field()[field].is_order for field in self.read)


@dataclass(frozen=True)
class _Found:
    """Findings of an example by place: (field, order from 1 or ``None``) -> codes."""

    codes: Mapping[tuple[str, int | None], tuple[str, ...]]

    @classmethod
    def of(cls, expect: str) -> _Found:
        codes: dict[tuple[str, int | None], tuple[str, ...]] = {}
        for match in _FINDING.finditer(expect):
            place = match["field"], int(match["order"]) if match["order"] else None
            codes[place] = (*codes.get(place, ()), match["code"])
        return cls(codes)

    def fields_of(self, order: int | None) -> set[str]:
        return {field for field, at in self.codes if at == order}

    def on(self, element: str) -> tuple[str, ...]:
        """Codes on an element that is no field; for MB2, on the orders as a whole."""
        return self.codes.get((element, None), ())


def fields_in(expression: str) -> frozenset[str]:
    """The fields an expression speaks of, those in its strings left out."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", expression)
    return frozenset(f for f in _FIELD.findall(bare) if f in every_field())


def fragment(example: Example, record: ExampleRecord, base: Base, focus: Focus) -> tuple[Line, ...]:
    """The lines of ``<REC>``; what doesn't matter here is cut to ``…``."""
    found = _Found.of(example.expect)
    changed = frozenset(k for k, v in record.visit.items() if base.record.get(k) != v)
    shown = focus.read | changed | found.fields_of(None) | frozenset(example.unset)
    version = V1 if record.visit.keys() & V1.catalogue else V2
    header = [_piece(f, record.visit, found, None, focus) for f in version.header_fields]
    visit = _elements(record.visit, version, shown, found, None, focus)
    upload = (Line(0, (_tag("RECS", found, focus),)),) if found.on("RECS") else ()
    return (
        *upload,
        Line(0, (_tag("REC", found, focus),)),
        Line(1, (_tag("MSH", found, focus), *header, Piece("</MSH>"))),
        Line(1, (_tag("MB", found, focus),)),
        Line(2, (_tag("MB1", found, focus),)),
        *(Line(3, (piece,)) for piece in visit),
        Line(2, (Piece("</MB1>"),)),
        *_orders(example, record, version, base, found, focus),
        Line(1, (Piece("</MB>"),)),
        Line(0, (Piece("</REC>"),)),
    )


def _elements(
    cells: Mapping[str, str],
    version: Version,
    shown: frozenset[str],
    found: _Found,
    order: int | None,
    focus: Focus,
) -> list[Piece]:
    """Fields in document order; runs of others as one ``…``; missing ones only if guilty."""
    guilty = found.fields_of(order)
    is_order = order is not None
    pieces: list[Piece] = []
    for field in version.catalogue.values():
        if field.is_order != is_order or field.level == "MSH":
            continue
        if field.id in shown and (field.id in cells or field.id in guilty):
            pieces.append(_piece(field.id, cells, found, order, focus))
        elif field.id in cells and (not pieces or pieces[-1].state != "cut"):
            pieces.append(Piece("…", "cut"))
    return pieces


def _piece(
    field: str, cells: Mapping[str, str], found: _Found, order: int | None, focus: Focus
) -> Piece:
    codes = found.codes.get((field, order), ())
    if field not in cells:
        return Piece(field, "missing", codes)
    state: State = _state(codes, focus)
    if state == "plain" and field == focus.field:
        state = "good"
    value = escape(shortened(cells[field], _LONGEST_VALUE))
    return Piece(f"<{field}>{value}</{field}>", state, codes)


def _tag(element: str, found: _Found, focus: Focus) -> Piece:
    codes = found.on(element)
    return Piece(f"<{element}>", _state(codes, focus), codes)


def _state(codes: tuple[str, ...], focus: Focus) -> State:
    if not codes:
        return "plain"
    return "bad" if focus.code in codes else "also"


def _orders(
    example: Example,
    record: ExampleRecord,
    version: Version,
    base: Base,
    found: _Found,
    focus: Focus,
) -> Iterator[Line]:
    """Orders that a rule reads or an example changed, one a line; runs of others counted."""
    on_segment = found.on("MB2")
    if on_segment:
        known = Piece(f"<MB2>…</MB2> × {len(record.orders)}", _state(on_segment, focus), on_segment)
        yield Line(2, (known if record.orders else Piece("MB2", "missing", on_segment),))
        if not focus.reads_orders:
            return
    wanted = _wanted_orders(example, record, base, found, focus)
    cut = 0
    for number, order in enumerate(record.orders, start=1):
        if number not in wanted:
            cut += 1
            continue
        if cut:
            yield _cut_orders(cut)
            cut = 0
        shown = focus.read | found.fields_of(number) | _differing(order, base)
        inside = _elements(order, version, shown, found, number, focus)
        yield Line(2, (Piece("<MB2>"), *inside, Piece("</MB2>")))
    if cut:
        yield _cut_orders(cut)


def _wanted_orders(
    example: Example, record: ExampleRecord, base: Base, found: _Found, focus: Focus
) -> list[int]:
    """Numbers of the orders to show: the guilty, the changed, and the first if orders matter."""
    wanted = {order for _, order in found.codes if order is not None}
    wanted |= {n for n, order in enumerate(record.orders, 1) if order not in base.orders}
    if focus.reads_orders or example.drop or example.repeat:
        wanted |= set(range(1, _MOST_ORDERS + 1))
    return sorted(wanted)[: 2 * _MOST_ORDERS]


def _differing(order: Mapping[str, str], base: Base) -> frozenset[str]:
    """Fields of an order that no order of the base has with this value."""
    return frozenset(
        field for field, value in order.items()
        if all(other.get(field) != value for other in base.orders)
    )  # fmt: skip


def _cut_orders(number: int) -> Line:
    return Line(2, (Piece(f"… MB2 × {number}", "cut"),))

"""Where a finding marks the XML of its record, in characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from pipeline.report.answer import Finding
from schemas import every_field

_ORDER: Final = re.compile(r"<MB2(?=[\s>/])")
_CLOSED: Final = re.compile(r"</([A-Za-z0-9]+)\s*>|<([A-Za-z0-9]+)[^<>]*/>")
_ENDS: Final = {"MB1": re.compile(r"</(?:MB|REC)\s*>"), "MB2": re.compile(r"</(?:MB|REC)\s*>")}
_END: Final = re.compile(r"</REC\s*>")


class Mark(NamedTuple):
    """From ``start`` up to ``stop``; equal ones stand where something is absent."""

    start: int
    stop: int


def order_spans(xml: str) -> list[Mark]:
    """Where the MB2 elements of a record stand."""
    starts = [found.start() for found in _ORDER.finditer(xml)]
    ends = [*starts[1:], len(xml)]
    return [
        Mark(start, _end_of("MB2", xml, start, end))
        for start, end in zip(starts, ends, strict=False)
    ]


def mark_of(xml: str, orders: Sequence[Mark], finding: Finding, start: int, stop: int) -> Mark:
    """The mark of a finding whose bytes are the characters from ``start`` to ``stop``."""
    start, stop = min(start, len(xml)), min(stop, len(xml))
    if stop > start:
        return Mark(start, stop)
    of_order = finding.order is not None and finding.order <= len(orders)
    order = orders[(finding.order or 1) - 1] if of_order else None
    if finding.field == "MB2" and order is not None:
        return order
    empty = _empty_element(xml, finding.field, start)
    if empty is not None:
        return empty
    where = _place_of(xml, finding.field, order)
    return Mark(where, where)


def _end_of(name: str, xml: str, start: int, stop: int) -> int:
    closed = xml.rfind(f"</{name}", start, stop)
    return xml.find(">", closed, stop) + 1 if closed >= 0 else stop


def _empty_element(xml: str, name: str, at: int) -> Mark | None:
    """The tags of an element without text whose text would stand at a place."""
    opened = xml.rfind("<", 0, at)
    if not re.compile(rf"{re.escape(name)}[\s/>]").match(xml, opened + 1):
        return None
    closed = re.compile(rf"\s*</{re.escape(name)}\s*>").match(xml, at)
    return Mark(opened, closed.end() if closed else xml.find(">", opened) + 1)


def _place_of(xml: str, name: str, order: Mark | None) -> int:
    """Where an absent element belongs: behind those that come before it in its segment."""
    field = every_field().get(name)
    if field is None:
        end = _ENDS.get(name, _END).search(xml)
        return end.start() if end else len(xml)
    section = field.level
    start, stop = order or Mark(0, len(xml))
    opened = re.compile(rf"<{section}[^<>]*>").search(xml, start, stop)
    if opened is None:
        return order.start if order else _place_of(xml, section, None)
    closed = xml.find(f"</{section}", opened.end(), stop)
    place = opened.end()
    for sibling in _CLOSED.finditer(xml, opened.end(), closed if closed >= 0 else stop):
        known = every_field().get(sibling[1] or sibling[2])
        if known is not None and known.level == section and known.index < field.index:
            place = sibling.end()
    return place

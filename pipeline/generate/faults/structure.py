"""Faults in the structure of one record, made in its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple


class Broken(NamedTuple):
    """A record's bytes with a fault in them, and the finding that must come of it.

    ``offset`` counts from the record's first byte; ``order`` from 1, ``None`` outside the orders.
    """

    payload: bytes
    field: str
    order: int | None
    offset: int
    length: int


@dataclass(frozen=True)
class StructuralFault:
    """One kind; ``plant`` gives ``None`` for a record that has no place for it."""

    name: str
    code: str
    plant: Callable[[bytes, Random], Broken | None]


_FIELD = re.compile(rb"<([HMDVE]\d\d)>[^<]*</\1>")


def _insert(payload: bytes, at: int, element: bytes, field: str, order: int | None) -> Broken:
    return Broken(payload[:at] + element + payload[at:], field, order, at, len(element))


def _orders(payload: bytes) -> list[int]:
    """Where the content of each MB2 begins."""
    return [match.end() for match in re.finditer(rb"<MB2>", payload)]


def _in_visit(element: bytes, field: str) -> Callable[[bytes, Random], Broken | None]:
    """Put an element at the end of MB1."""

    def plant(payload: bytes, _rng: Random) -> Broken:
        return _insert(payload, payload.index(b"</MB1>"), element, field, None)

    return plant


def _in_order(element: bytes, field: str) -> Callable[[bytes, Random], Broken | None]:
    """Put an element at the beginning of some MB2."""

    def plant(payload: bytes, rng: Random) -> Broken | None:
        orders = _orders(payload)
        if not orders:
            return None
        order = rng.randrange(len(orders))
        return _insert(payload, orders[order], element, field, order + 1)

    return plant


def _repeated(payload: bytes, _rng: Random) -> Broken:
    """A visit field twice, the second time at the end of MB1."""
    found = _FIELD.search(payload, payload.index(b"<MB1>"))
    assert found is not None  # noqa: S101  # every record has M03 and more
    field, element = found[1].decode(), found[0]
    return _insert(payload, payload.index(b"</MB1>"), element, field, None)


def _attribute(payload: bytes, _rng: Random) -> Broken:
    """An attribute on a visit field."""
    found = _FIELD.search(payload, payload.index(b"<MB1>"))
    assert found is not None  # noqa: S101  # every record has M03 and more
    added = b' type="text"'
    at = found.end(1)
    broken = payload[:at] + added + payload[at:]
    return Broken(broken, found[1].decode(), None, found.start(), len(found[0]) + len(added))


def _without_header(payload: bytes, _rng: Random) -> Broken:
    start, stop = payload.index(b"<MSH>"), payload.index(b"</MSH>") + len(b"</MSH>")
    broken = payload[:start] + payload[stop:]
    return Broken(broken, "MSH", None, broken.index(b"<REC>"), 0)


def _without_visit(payload: bytes, _rng: Random) -> Broken | None:
    if not _orders(payload):
        return None
    start, stop = payload.index(b"<MB1>"), payload.index(b"</MB1>") + len(b"</MB1>")
    broken = payload[:start] + payload[stop:]
    return Broken(broken, "MB1", None, broken.index(b"<MB>"), 0)


STRUCTURAL = (
    StructuralFault("header-missing", "Y002", _without_header),
    StructuralFault("attribute", "Y003", _attribute),
    StructuralFault("unknown-field", "Y004", _in_visit(b"<M99>1</M99>", "M99")),
    StructuralFault("unknown-order-field", "Y004", _in_order(b"<X01/>", "X01")),
    StructuralFault("visit-field-in-order", "Y005", _in_order(b"<M07>01</M07>", "M07")),
    StructuralFault("order-field-in-visit", "Y005", _in_visit(b"<D06>AC1</D06>", "D06")),
    StructuralFault("field-twice", "Y005", _repeated),
    StructuralFault("orders-without-visit", "Y005", _without_visit),
)

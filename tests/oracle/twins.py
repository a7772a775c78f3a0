"""One plain twin for every operation of ``rules.ops``, over one row.

A twin has a kernel's shape: ``twin(row, params, args)``, where ``args`` are the values of the
node's args on that row (for operations that fold orders into the record: a list of them, one an
order). It gives what the kernel's column holds there, in plain Python: ``True``/``False``/``None``
for truths, integers or ``None`` for numbers (tenths for decimals), days and moments.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from rules.ops import KeyPart
from rules.plan import Plan
from tests.oracle import cells, reference
from tests.oracle.interpreter import conjunction, disjunction, negation, repeated
from tests.oracle.record import Row

Plain = bool | int | None
Args = tuple[Plain | list[Plain], ...]
Twin = Callable[[Row, tuple[object, ...], Args], Plain]


def as_integer(value: cells.Value | None) -> int | None:
    """Days or seconds since 1970-01-01 for days and moments, tenths for fractions."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1)) // timedelta(seconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return int(value * 10)


def _cell(of: Callable[[str, str | None], Plain]) -> Twin:
    return lambda row, params, _args: of(params[0], row.text(params[0]))


def _known(of: Callable[..., Plain]) -> Twin:
    def twin(row: Row, params: tuple[object, ...], _args: Args) -> Plain:
        text = cells.known_text(params[0], row.text(params[0]))
        return None if text is None else of(text, *params[1:])

    return twin


def _values(of: Callable[..., Plain]) -> Twin:
    return lambda _row, _params, args: None if None in args else of(*args)


def _same_text(row: Row, params: tuple[object, ...], _args: Args) -> Plain:
    one, other = (cells.known_text(field, row.text(field)) for field in params)
    return None if one is None or other is None else one == other


def _is_sender(row: Row, params: tuple[object, ...], _args: Args) -> Plain:
    text = cells.known_text(params[0], row.text(params[0]))
    return None if text is None or row.sender is None else text == row.sender


def _or_zero(row: Row, params: tuple[object, ...], args: Args) -> Plain:
    return args[0] if cells.filled(row.text(params[0])) else 0


def _month(day: int) -> int:
    found = date(1970, 1, 1) + timedelta(days=day)
    return found.year * 12 + found.month - 1


def _count(truths: list[Plain]) -> Plain:
    return None if None in truths else truths.count(True)


def _as_day(day: Plain) -> date | None:
    return None if day is None else date(1970, 1, 1) + timedelta(days=day)


def _key(row: Row, parts: tuple[KeyPart, ...]) -> list[str | None]:
    return [
        cells.known_text(value, row.text(value))
        if kind == "field"
        else {"text": value, "sender": row.sender, "address": row.address}[kind]
        for kind, value in parts
    ]


OP_TWINS: dict[str, Twin] = {
    "filled": _cell(lambda _field, text: cells.filled(text)),
    "malformed": lambda row, params, _: cells.malformed(params[0], row.text(params[0]), params[1]),
    "unlisted": _cell(cells.unlisted),
    "value": _cell(lambda field, text: as_integer(cells.value(field, text))),
    "member": _known(lambda text, codes: text in codes),
    "same_text": _same_text,
    "is_sender": _is_sender,
    "starts": _known(str.startswith),
    "matches": _known(lambda text, shape: re.fullmatch(shape, text) is not None),
    "size": _known(len),
    "letter": _cell(cells.letter),
    "first": _cell(lambda field, text: (cells.digits(field, text) or [None])[0]),
    "last": _cell(lambda field, text: (cells.digits(field, text) or [None])[-1]),
    "consecutive": _cell(cells.consecutive),
    "special": _cell(cells.special),
    "holds_person": lambda row, params, _: cells.holds_person(
        params[0], row.text(params[0]), params[1], row.text(params[1])
    ),
    "moment_of": _cell(lambda field, text: as_integer(cells.moment_of(field, text))),
    "person_check": _cell(cells.person_check),
    "institution_check": _cell(cells.institution_check),
    "sex": _cell(cells.sex),
    "repeated": lambda row, params, _: repeated(params[0], row),
    "known": lambda row, params, args: reference.known(
        row.tables, params[0], _key(row, params[1]), _as_day(args[0])
    ),
    "ever_known": lambda row, params, _: reference.ever_known(
        row.tables, params[0], _key(row, params[1])
    ),
    "lookup": lambda row, params, args: reference.lookup(
        row.tables, params[0], _key(row, params[1]), params[2], _as_day(args[0])
    ),
    "since": lambda row, params, _: as_integer(
        reference.since(row.tables, params[0], _key(row, params[1]))
    ),
    "working_days": lambda row, _params, args: reference.working_days(
        row.tables, *(_as_day(arg) for arg in args)
    ),
    "official": lambda row, _params, _args: row.official,
    "vpn": lambda row, _params, _args: row.vpn,
    "constant": lambda _row, params, _args: params[1],
    "received": lambda row, _params, _args: as_integer(row.wall_clock),
    "orders": lambda row, _params, _args: len(row.orders),
    "date": _values(lambda moment: moment // 86400),
    "month": _values(_month),
    "or_zero": _or_zero,
    "coalesce": lambda _row, _params, args: args[1] if args[0] is None else args[0],
    "add": _values(lambda a, b: a + b),
    "subtract": _values(lambda a, b: a - b),
    "modulo": _values(lambda a, b: None if b == 0 else a % b),
    "equal": _values(lambda a, b: a == b),
    "less": _values(lambda a, b: a < b),
    "less_equal": _values(lambda a, b: a <= b),
    "not": lambda _row, _params, args: negation(args[0]),
    "and": lambda _row, _params, args: conjunction(args),
    "or": lambda _row, _params, args: disjunction(args),
    "some": lambda _row, _params, args: disjunction(args[0]),
    "every": lambda _row, _params, args: conjunction(args[0]),
    "count": lambda _row, _params, args: _count(args[0]),
    "spread": lambda _row, _params, args: args[0],
}


class PlanRun:
    """A plan run on one record, node by node; every node's value is kept."""

    def __init__(self, plan: Plan, row: Row) -> None:
        self._plan, self._row = plan, row
        self._orders = row.each_order()
        self._kept: dict[tuple[int, int | None], Plain] = {}

    def value(self, index: int, order: int | None = None) -> Plain:
        """The value of a node: on the record, or on one of its orders for order-scope nodes."""
        node = self._plan.nodes[index]
        place = (index, order if node.scope == "order" else None)
        if place not in self._kept:
            row = self._row if place[1] is None else self._orders[place[1]]
            args = tuple(self._arg(node.op, arg, place[1]) for arg in node.args)
            self._kept[place] = OP_TWINS[node.op](row, node.params, args)
        return self._kept[place]

    def _arg(self, op: str, arg: int, order: int | None) -> Plain | list[Plain]:
        if op in ("some", "every", "count"):
            return [self.value(arg, row.order) for row in self._orders]
        return self.value(arg, order)

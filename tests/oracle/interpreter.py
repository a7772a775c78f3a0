"""Runs an expression's syntax tree on one row, in plain Python and three values.

Truths are ``True``, ``False`` and ``None`` (unknown); any other ``None`` is an unknown value.
Shares nothing with the compiler but the parser.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache

from rules.codes import named_lists
from rules.expression import parse
from schemas import every_field
from tests.oracle import cells, reference
from tests.oracle.record import Row

Result = bool | int | Fraction | date | datetime | str | frozenset[str] | None

ORDERINGS: dict[type[ast.cmpop], Callable[[Result, Result], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda text, codes: text in codes,
    ast.NotIn: lambda text, codes: text not in codes,
}


@cache
def tree(expression: str) -> ast.expr:
    return parse(expression)


def conjunction(truths: Iterable[bool | None]) -> bool | None:
    found = list(truths)
    return False if False in found else None if None in found else True


def disjunction(truths: Iterable[bool | None]) -> bool | None:
    found = list(truths)
    return True if True in found else None if None in found else False


def negation(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def broken(expression: str, row: Row) -> bool:
    """Whether the expression is *true* on the row."""
    return evaluate(tree(expression), row) is True


@cache
def order_fields(expression: str) -> bool:
    """Whether the expression looks at one order, so runs once per order."""
    return _free_order_field(tree(expression))


def _free_order_field(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and node.func.id in ("some", "every", "count"):
        return False
    if isinstance(node, ast.Name) and node.id in every_field():
        return every_field()[node.id].is_order
    return any(_free_order_field(child) for child in ast.iter_child_nodes(node))


def evaluate(node: ast.expr, row: Row) -> Result:
    match node:
        case ast.BoolOp(op=ast.And()):
            return conjunction(evaluate(value, row) for value in node.values)
        case ast.BoolOp():
            return disjunction(evaluate(value, row) for value in node.values)
        case ast.UnaryOp(op=ast.Not()):
            return negation(evaluate(node.operand, row))
        case ast.UnaryOp():
            return -evaluate(node.operand, row)
        case ast.Compare():
            return _compare(node, row)
        case ast.BinOp():
            return _arithmetic(node, row)
        case ast.Constant(value=float()):
            return Fraction(str(node.value))
        case ast.Constant():
            return node.value
        case ast.Set():
            return frozenset(element.value for element in node.elts)
        case ast.Name():
            return _name(node.id, row)
        case ast.Call():
            return FUNCTIONS[node.func.id](node, row)
    raise AssertionError(ast.dump(node))


def _name(name: str, row: Row) -> Result:
    if name == "received":
        return row.wall_clock
    if name == "official":
        return row.official
    if name == "vpn":
        return row.vpn
    if name == "address":
        return row.address
    if name == "sender":
        return row.sender
    if name == "orders":
        return len(row.orders)
    if name in every_field():
        if every_field()[name].kind in ("number", "decimal", "date", "datetime"):
            return cells.value(name, row.text(name))
        return cells.known_text(name, row.text(name))
    return named_lists()[name]


def _compare(node: ast.Compare, row: Row) -> bool | None:
    values = [evaluate(side, row) for side in (node.left, *node.comparators)]
    truths = []
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        unknown = left is None or right is None
        truths.append(None if unknown else ORDERINGS[type(op)](left, right))
    return conjunction(truths)


def _arithmetic(node: ast.BinOp, row: Row) -> Result:
    left, right = evaluate(node.left, row), evaluate(node.right, row)
    if left is None or right is None:
        return None
    match node.op:
        case ast.Mult():
            return left * right
        case ast.Mod():
            return None if right == 0 else left % right
        case ast.Add():
            return left + _span(left, right)
        case _:
            difference = left - _span(left, right)
            if not isinstance(difference, timedelta):
                return difference
            seconds = difference // timedelta(seconds=1)
            return seconds if isinstance(left, datetime) else seconds // 86400


def _span(left: Result, right: Result) -> Result | timedelta:
    """A number beside a day counts days, beside a moment seconds."""
    if isinstance(right, int) and isinstance(left, datetime):
        return timedelta(seconds=right)
    if isinstance(right, int) and isinstance(left, date):
        return timedelta(days=right)
    return right


def _on_cell(of: Callable[[str, str | None], Result]) -> Callable[[ast.Call, Row], Result]:
    def function(call: ast.Call, row: Row) -> Result:
        field = call.args[0].id
        return of(field, row.text(field))

    return function


def _on_known(of: Callable[[str, str], Result]) -> Callable[[ast.Call, Row], Result]:
    """Functions of a text that is known, and of a string that stands behind it (or none)."""

    def function(call: ast.Call, row: Row) -> Result:
        field = call.args[0].id
        text = cells.known_text(field, row.text(field))
        return None if text is None else of(text, *(arg.value for arg in call.args[1:]))

    return function


def _malformed(call: ast.Call, row: Row) -> bool:
    field = call.args[0].id
    aspect = call.args[1].value if len(call.args) > 1 else "any"
    return cells.malformed(field, row.text(field), aspect)


def _num(call: ast.Call, row: Row) -> Result:
    field = call.args[0].id
    return cells.value(field, row.text(field)) if cells.filled(row.text(field)) else 0


def _date(call: ast.Call, row: Row) -> date | None:
    moment = evaluate(call.args[0], row)
    return None if moment is None else moment.date()


def _month(call: ast.Call, row: Row) -> int | None:
    day = evaluate(call.args[0], row)
    return None if day is None else day.year * 12 + day.month - 1


def _per_order(call: ast.Call, row: Row) -> list[bool | None]:
    if call not in row.folded:
        row.folded[call] = [evaluate(call.args[0], order) for order in row.each_order()]
    return row.folded[call]


def _count(call: ast.Call, row: Row) -> int | None:
    truths = _per_order(call, row)
    return None if None in truths else truths.count(True)


def repeated(field: str, row: Row) -> bool | None:
    number = every_field()[field].kind in ("number", "decimal", "date", "datetime")
    read = cells.value if number else cells.known_text
    own = read(field, row.text(field))
    if own is None:
        return None
    return any(read(field, text) == own for text in row.in_other_orders(field))


def _holds_person(call: ast.Call, row: Row) -> bool | None:
    field, person = call.args[0].id, call.args[1].id
    return cells.holds_person(field, row.text(field), person, row.text(person))


def _key(parts: list[ast.expr], row: Row) -> list[str | None]:
    return [evaluate(part, row) for part in parts]


def _at(call: ast.Call, row: Row) -> date | None:
    at = evaluate(call.keywords[0].value, row)
    return at.date() if isinstance(at, datetime) else at


def _known(call: ast.Call, row: Row) -> bool | None:
    table, key = call.args[0].value, _key(call.args[1:], row)
    if not call.keywords:
        return reference.ever_known(row.tables, table, key)
    return reference.known(row.tables, table, key, _at(call, row))


def _lookup(call: ast.Call, row: Row) -> int | None:
    table, *parts, column = call.args
    key = _key(parts, row)
    return reference.lookup(row.tables, table.value, key, column.value, _at(call, row))


FUNCTIONS: dict[str, Callable[[ast.Call, Row], Result]] = {
    "filled": _on_cell(lambda _, text: cells.filled(text)),
    "malformed": _malformed,
    "unlisted": _on_cell(cells.unlisted),
    "num": _num,
    "date": _date,
    "month": _month,
    "day": lambda call, _: cells.as_date(call.args[0].value),
    "moment": lambda call, _: cells.as_datetime(call.args[0].value),
    "some": lambda call, row: disjunction(_per_order(call, row)),
    "every": lambda call, row: conjunction(_per_order(call, row)),
    "count": _count,
    "repeated": lambda call, row: repeated(call.args[0].id, row),
    "size": _on_known(len),
    "starts": _on_known(str.startswith),
    "matches": _on_known(lambda text, shape: re.fullmatch(shape, text) is not None),
    "letter": _on_cell(cells.letter),
    "first": _on_cell(lambda f, text: (cells.digits(f, text) or [None])[0]),
    "last": _on_cell(lambda f, text: (cells.digits(f, text) or [None])[-1]),
    "consecutive": _on_cell(cells.consecutive),
    "special": _on_cell(cells.special),
    "holds_person": _holds_person,
    "moment_of": _on_cell(cells.moment_of),
    "person_check": _on_cell(cells.person_check),
    "institution_check": _on_cell(cells.institution_check),
    "sex": _on_cell(cells.sex),
    "known": _known,
    "lookup": _lookup,
    "since": lambda call, row: reference.since(
        row.tables, call.args[0].value, _key(call.args[1:], row)
    ),
    "working_days": lambda call, row: reference.working_days(
        row.tables, *(evaluate(arg, row) for arg in call.args)
    ),
}

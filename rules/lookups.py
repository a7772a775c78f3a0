"""The functions of the rule language that ask reference tables."""

from __future__ import annotations

import ast

from rules.call import Call
from rules.ops import KeyPart, Type
from rules.plan import Scope
from rules.terms import (
    Address,
    ExpressionError,
    FieldRef,
    Sender,
    Term,
    Text,
    as_term,
    over,
    scope_of,
)
from schemas.reference import HOLIDAYS, REFERENCE_TABLES, ReferenceTable


def known(call: Call) -> Term:
    """``known("TABLE", KEY…)``: there at any time; with ``at=DATE``, valid that day."""
    table = _table(call)
    keys, scope = _keys(call, table, call.node.args[1:])
    if "at" not in call.named:
        return Term("ever_known", (table.name, keys), (), "truth", scope)
    return _dated("known", (table.name, keys), _day(call), "truth", scope)


def lookup(call: Call) -> Term:
    """``lookup("TABLE", KEY…, "COLUMN", at=DATE)``: the number in that column."""
    table = _table(call)
    column = call.text(call.node.args[-1])
    if column not in [value.name for value in table.values]:
        names = ", ".join(value.name for value in table.values) or "none"
        raise ExpressionError(f"{table.name} has the value columns: {names}", call.node.args[-1])
    if "at" not in call.named:
        raise ExpressionError("lookup needs at=DATE", call.node)
    keys, scope = _keys(call, table, call.node.args[1:-1])
    return _dated("lookup", (table.name, keys, column), _day(call), "number", scope)


def since(call: Call) -> Term:
    """``since("TABLE", KEY…)``: the first day of the key's first period."""
    table = _table(call)
    keys, scope = _keys(call, table, call.node.args[1:])
    return Term("since", (table.name, keys), (), "day", scope)


def working_days(call: Call) -> Term:
    """``working_days(a, b)``: working days after day a up to day b."""
    days = (call.term(call.arg(0), "day"), call.term(call.arg(1), "day"))
    return over("working_days", *days, gives="number")


def tables_of(op: str, params: tuple[object, ...]) -> tuple[str, ...]:
    """The reference tables an operation asks."""
    if op == "working_days":
        return (HOLIDAYS,)
    return (str(params[0]),) if op in ("known", "ever_known", "lookup", "since") else ()


def _table(call: Call) -> ReferenceTable:
    name = call.text(call.arg(0))
    if name not in REFERENCE_TABLES:
        names = ", ".join(REFERENCE_TABLES)
        raise ExpressionError(f"there is no reference table {name!r}; use {names}", call.arg(0))
    return REFERENCE_TABLES[name]


def _keys(
    call: Call, table: ReferenceTable, nodes: list[ast.expr]
) -> tuple[tuple[KeyPart, ...], Scope | None]:
    if len(nodes) != len(table.keys):
        names = ", ".join(column.name for column in table.keys) or "none"
        raise ExpressionError(f"{table.name} has the key columns: {names}", call.node)
    parts, scopes = [], set()
    for node in nodes:
        part, scope = _part(call, node)
        parts.append(part)
        scopes.add(scope)
    return tuple(parts), _narrowest(scopes)


def _part(call: Call, node: ast.expr) -> tuple[KeyPart, Scope | None]:
    match call.operand(node):
        case FieldRef(field):
            return ("field", field.id), scope_of(field)
        case Text(value):
            return ("text", value), None
        case Sender():
            return ("sender", ""), "record"
        case Address():
            return ("address", ""), "record"
    raise ExpressionError("a key is a field, a string, sender or address", node)


def _day(call: Call) -> Term:
    node = call.named["at"]
    term = as_term(call.operand(node))
    if term is None or term.type not in ("day", "moment"):
        raise ExpressionError("at= wants a day or a moment", node)
    return term if term.type == "day" else over("date", term, gives="day")


def _dated(
    op: str, params: tuple[object, ...], day: Term, gives: Type, scope: Scope | None
) -> Term:
    return Term(op, params, (day,), gives, _narrowest({scope, day.scope}))


def _narrowest(scopes: set[Scope | None]) -> Scope | None:
    return "order" if "order" in scopes else "record" if "record" in scopes else None

"""Expressions of the rule language: Python's grammar, closed to a few nodes, checked for kinds.

``parse`` gives the bare syntax tree of an expression that holds nothing outside the language.
``lower`` gives its meaning as a ``Term``, with every field, list, function, kind and scope checked.
Neither ever evaluates anything. Both raise ``ExpressionError`` with the column.
"""

from __future__ import annotations

import ast
import tokenize
from decimal import Decimal
from functools import cache
from io import StringIO
from math import inf
from typing import Literal

from rules.codes import named_lists
from rules.functions import lower_call
from rules.terms import (
    Address,
    Codes,
    ExpressionError,
    FieldRef,
    Operand,
    Sender,
    Term,
    Text,
    aligned,
    as_term,
    join,
    member,
    negate,
    number,
    on_field,
    over,
    whole,
)
from schemas import every_field

_SYNTAX: tuple[type[ast.AST], ...] = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Mod,
    ast.Name, ast.Load, ast.Constant, ast.Set, ast.Call, ast.keyword,
)  # fmt: skip


def parse(text: str) -> ast.expr:
    """The syntax tree of one expression (line breaks count as blanks)."""
    text = text.replace("\n", " ").strip()
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        # where the text ends too early, Python names the start of a line that isn't there
        column = error.offset if error.lineno == 1 and error.offset else len(text) + 1
        raise ExpressionError(f"not an expression: {error.msg}", column=column) from error
    for node in ast.walk(tree):
        if not isinstance(node, _SYNTAX):
            raise ExpressionError(
                f"{type(node).__name__} is not part of the rule language",
                node if isinstance(node, ast.expr) else tree,
            )
        if isinstance(node, ast.Constant) and (
            type(node.value) not in (str, int, float) or node.value == inf
        ):
            raise ExpressionError(f"{node.value!r} is not part of the rule language", node)
    _refuse_comments(text)
    return tree


def _refuse_comments(text: str) -> None:
    """A comment would silence what stands on the lines below it, which are one line here."""
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            column = token.start[1] + 1
            raise ExpressionError("a comment is not part of the rule language", column=column)


@cache
def lower(text: str) -> Term:
    """The truth term of an expression."""
    tree = parse(text)
    return _truth(tree)


def _truth(node: ast.expr) -> Term:
    operand = _lower(node)
    if not isinstance(operand, Term) or operand.type != "truth":
        raise ExpressionError(
            f"{ast.unparse(node)} is no truth; compare it, or ask filled(…)", node
        )
    return operand


def _lower(node: ast.expr) -> Operand:
    match node:
        case ast.BoolOp():
            kind: Literal["and", "or"] = "and" if isinstance(node.op, ast.And) else "or"
            return join(kind, [_truth(value) for value in node.values])
        case ast.UnaryOp(op=ast.Not()):
            return negate(_truth(node.operand))
        case ast.UnaryOp():
            return _negative(node)
        case ast.Compare():
            return _chain(node)
        case ast.BinOp():
            return _arithmetic(node)
        case ast.Name():
            return _name(node)
        case ast.Constant():
            value = node.value
            return Text(value) if isinstance(value, str) else number(Decimal(str(value)))
        case ast.Set():
            return _set(node)
        case ast.Call():
            return lower_call(node, _lower)
    raise ExpressionError(f"{ast.unparse(node)} can't stand here", node)


def _negative(node: ast.UnaryOp) -> Term:
    operand = _lower(node.operand)
    if not isinstance(operand, Term) or operand.literal is None:
        raise ExpressionError("only a literal number takes a minus sign", node)
    return number(-operand.literal)


def _name(node: ast.Name) -> Operand:
    if node.id in every_field():
        return FieldRef(every_field()[node.id])
    if node.id == "sender":
        return Sender()
    if node.id == "address":
        return Address()
    if node.id in ("official", "vpn"):
        return Term(node.id, (), (), "truth", "record")
    if node.id == "received":
        return Term("received", (), (), "moment", "record")
    if node.id == "orders":
        return Term("orders", (), (), "number", "record")
    if node.id in named_lists():
        return Codes(tuple(sorted(named_lists()[node.id])))
    raise ExpressionError(
        f"there is no field or list {node.id}; fields are in fields.csv, lists in rules/codes", node
    )


def _set(node: ast.Set) -> Codes:
    codes = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    if len(codes) != len(node.elts):
        raise ExpressionError("a set holds strings only; for numbers use == and <", node)
    return Codes(tuple(codes))


def _chain(node: ast.Compare) -> Term:
    sides = [node.left, *node.comparators]
    pairs = zip(node.ops, sides, sides[1:], strict=False)
    return join("and", [_comparison(op, left, right, node) for op, left, right in pairs])


def _comparison(op: ast.cmpop, left: ast.expr, right: ast.expr, node: ast.expr) -> Term:
    a, b = _lower(left), _lower(right)
    if isinstance(op, ast.In | ast.NotIn):
        found = _membership(a, b, node)
        return found if isinstance(op, ast.In) else negate(found)
    first, second = as_term(a), as_term(b)
    if first is None and second is None:
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise ExpressionError("text has no order; use ==, != or in", node)
        same = _same_text(a, b, node)
        return same if isinstance(op, ast.Eq) else negate(same)
    if first is None or second is None or first.type != second.type or first.type == "truth":
        raise ExpressionError(
            f"{_kind(a)} and {_kind(b)} don't compare ({ast.unparse(left)}, {ast.unparse(right)})",
            node,
        )
    if first.type == "number":
        first, second = aligned(first, second, node)
    return _order(op, first, second)


def _order(op: ast.cmpop, a: Term, b: Term) -> Term:
    match op:
        case ast.Eq():
            return over("equal", a, b)
        case ast.NotEq():
            return negate(over("equal", a, b))
        case ast.Lt():
            return over("less", a, b)
        case ast.LtE():
            return over("less_equal", a, b)
        case ast.Gt():
            return over("less", b, a)
        case _:
            return over("less_equal", b, a)


def _membership(left: Operand, right: Operand, node: ast.expr) -> Term:
    if not isinstance(right, Codes):
        raise ExpressionError("behind in stands a set of strings or a named list", node)
    if not isinstance(left, FieldRef) or as_term(left) is not None:
        raise ExpressionError("before in stands a text field; compare numbers with == and <", node)
    return member(left.field, right.codes)


def _same_text(a: Operand, b: Operand, node: ast.expr) -> Term:
    if not isinstance(a, FieldRef):
        a, b = b, a
    match a, b:
        case FieldRef(), Text():
            return member(a.field, (b.value,))
        case FieldRef(), Sender():
            return on_field("is_sender", a.field)
        case FieldRef(), FieldRef():
            if a.field.is_order != b.field.is_order:
                raise ExpressionError("text of a visit and of an order don't compare", node)
            first, second = sorted((a.field, b.field), key=lambda field: field.id)
            return on_field("same_text", first, second.id)
    raise ExpressionError(f"{_kind(a)} and {_kind(b)} don't compare", node)


def _arithmetic(node: ast.BinOp) -> Term:
    a, b = as_term(_lower(node.left)), as_term(_lower(node.right))
    if a is None or b is None or "truth" in (a.type, b.type):
        raise ExpressionError("arithmetic is for numbers, days and moments", node)
    if a.literal is not None and b.literal is not None:
        return number(_folded(node.op, a.literal, b.literal, node))
    if a.type == b.type == "number":
        if isinstance(node.op, ast.Mult):
            raise ExpressionError("* multiplies literals only", node)
        a, b = aligned(a, b, node)
        op = {ast.Add: "add", ast.Sub: "subtract", ast.Mod: "modulo"}[type(node.op)]
        return over(op, a, b, gives="number", tenths=a.tenths)
    if isinstance(node.op, ast.Sub) and a.type == b.type:
        return over("subtract", a, b, gives="number")
    if a.type != "number" and b.type == "number":
        if isinstance(node.op, ast.Sub) and b.literal is not None:
            return over("add", a, whole(number(-b.literal), node), gives=a.type)
        if isinstance(node.op, ast.Add):
            return over("add", a, whole(b, node), gives=a.type)
    raise ExpressionError(f"{a.type} and {b.type} don't go together in {ast.unparse(node)}", node)


def _folded(op: ast.operator, a: Decimal, b: Decimal, node: ast.expr) -> Decimal:
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
    raise ExpressionError("% between two literals says nothing", node)


def _kind(operand: Operand) -> str:
    if isinstance(operand, FieldRef):
        return f"{operand.field.id} ({operand.field.kind})"
    return operand.type if isinstance(operand, Term) else "text"

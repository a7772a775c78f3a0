"""Every small mistake an author could make in one expression of the rule language.

``mistakes`` gives each as a whole expression with one thing changed, what was changed, and the kind
of mistake. It may give expressions that the language refuses; ``tests.proof.mutants`` leaves those
out, and those that mean the same as the original.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rules.ops import ASPECTS
from schemas import fields
from tests.proof.codes import Codes
from tests.proof.constants import shifted_day, shifted_number, shifted_shape

QUANTIFIERS = {"some": "every", "every": "some"}
ENDS = {"first": "last", "last": "first"}
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
REVERSED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.GtE,), ast.LtE: (ast.Gt,), ast.Gt: (ast.LtE,), ast.GtE: (ast.Lt,),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE), ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """``tree`` is the changed expression, ``was`` and ``now`` the part that differs."""

    kind: str
    tree: ast.expr
    was: str
    now: str


def mistakes(tree: ast.expr, codes: Codes) -> Iterator[Mistake]:
    """Each expression that is one mistake away from ``tree``."""
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    siblings = sorted({name for name in names if name in fields()})
    yield _made("negation", tree, _not(tree))
    yield from _anywhere(tree, lambda node: _own(node, codes, siblings))


def _anywhere(node: ast.AST, own: Callable[[ast.AST], Iterator[Mistake]]) -> Iterator[Mistake]:
    yield from own(node)
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            for mistake in _anywhere(value, own):
                yield replace(mistake, tree=_with(node, name, mistake.tree))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                for mistake in _anywhere(item, own) if isinstance(item, ast.expr) else ():
                    items = [*value[:index], mistake.tree, *value[index + 1 :]]
                    yield replace(mistake, tree=_with(node, name, items))


def _own(node: ast.AST, codes: Codes, siblings: list[str]) -> Iterator[Mistake]:
    match node:
        case ast.BoolOp():
            yield from _junction(node)
        case ast.UnaryOp(op=ast.Not()):
            yield _made("negation", node, node.operand)
        case ast.Compare():
            yield from _comparison(node, codes)
        case ast.Constant(value=int() | float()):
            for number in shifted_number(node.value):
                yield _made("constant", node, ast.Constant(number))
        case ast.Set():
            yield from _without_one(node)
        case ast.Name() if node.id in codes.lists:
            for code, rest in codes.without_one(node.id):
                yield Mistake("code dropped", _set(rest), node.id, f"{node.id} without {code}")
        case ast.Name() if node.id in siblings:
            for name in siblings:
                if name != node.id and _alike(name, node.id):
                    yield _made("field", node, ast.Name(name))
        case ast.Call():
            yield from _call(node)


def _junction(node: ast.BoolOp) -> Iterator[Mistake]:
    swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield _made("and/or", node, ast.BoolOp(swapped, node.values))
    for index, value in enumerate(node.values):
        before, behind = node.values[:index], node.values[index + 1 :]
        rest = [*before, *behind]
        left = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield replace(_made("operand dropped", node, left), was=ast.unparse(value), now="(none)")
        if not isinstance(value, ast.UnaryOp):
            negated = ast.BoolOp(node.op, [*before, _not(value), *behind])
            yield replace(_made("negation", value, _not(value)), tree=negated)


def _comparison(node: ast.Compare, codes: Codes) -> Iterator[Mistake]:
    for index, op in enumerate(node.ops):
        for kind, others in (
            ("boundary", (BOUNDARY[type(op)],) if type(op) in BOUNDARY else ()),
            ("operator", _reversed(op, node.comparators[index])),
        ):
            for other in others:
                ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                yield _made(kind, node, ast.Compare(node.left, ops, node.comparators))
    if len(node.ops) > 1:
        yield _made(
            "operand dropped",
            node,
            _with(_with(node, "ops", node.ops[:-1]), "comparators", node.comparators[:-1]),
        )
        yield _made(
            "operand dropped",
            node,
            ast.Compare(node.comparators[0], node.ops[1:], node.comparators[1:]),
        )
        return
    op, right = node.ops[0], node.comparators[0]
    if type(op) in BOUNDARY:
        yield _made("sides", node, ast.Compare(right, [op], [node.left]))
    for field, code, known in codes.added(node.left, right):
        isin = ast.In() if isinstance(op, ast.Eq | ast.In) else ast.NotIn()
        wider = ast.Compare(node.left, [isin], [_set({*known, code})])
        yield Mistake("code added", wider, ast.unparse(node), f"{field} also {code}")


def _reversed(op: ast.cmpop, right: ast.expr) -> tuple[type[ast.cmpop], ...]:
    """Operators to take for another; no number is below zero, so some say the same there."""
    others = REVERSED[type(op)]
    zero = isinstance(right, ast.Constant) and right.value == 0
    same = {ast.Eq: ast.LtE, ast.NotEq: ast.Gt}.get(type(op)) if zero else None
    return tuple(other for other in others if other is not same)


def _without_one(node: ast.Set) -> Iterator[Mistake]:
    for index, code in enumerate(node.elts if len(node.elts) > 1 else ()):
        rest = ast.Set([*node.elts[:index], *node.elts[index + 1 :]])
        yield Mistake("code dropped", rest, ast.unparse(node), f"without {ast.unparse(code)}")


def _call(node: ast.Call) -> Iterator[Mistake]:
    name, first = ast.unparse(node.func), node.args[0]
    if name in QUANTIFIERS:
        yield _made("quantifier", node, _renamed(node, QUANTIFIERS[name]))
    elif name in ENDS:
        yield _made("function", node, _renamed(node, ENDS[name]))
    elif name == "num":
        yield _made("function", node, first)
    elif name == "malformed":
        now = ast.literal_eval(node.args[1]) if len(node.args) > 1 else "any"
        for aspect in ASPECTS:
            if aspect != now:
                extra = [] if aspect == "any" else [ast.Constant(aspect)]
                yield _made("function", node, _with(node, "args", [first, *extra]))
    elif name in ("day", "moment"):
        for day in shifted_day(ast.literal_eval(first)):
            yield _made("date", node, _with(node, "args", [ast.Constant(day)]))
    elif name == "starts":
        prefix = ast.literal_eval(node.args[1])
        for other in (prefix[:-1], prefix + "0") if len(prefix) > 1 else ():
            yield _made("text", node, _with(node, "args", [first, ast.Constant(other)]))
    elif name == "matches":
        for shape in shifted_shape(ast.literal_eval(node.args[1])):
            yield _made("text", node, _with(node, "args", [first, ast.Constant(shape)]))


def _alike(name: str, other: str) -> bool:
    one, two = fields()[name], fields()[other]
    return (one.kind, one.is_order) == (two.kind, two.is_order)


def _made(kind: str, was: ast.expr, now: ast.expr) -> Mistake:
    return Mistake(kind, now, ast.unparse(was), ast.unparse(now))


def _not(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), node)


def _set(codes: set[str] | frozenset[str]) -> ast.Set:
    return ast.Set([ast.Constant(code) for code in sorted(codes)])


def _renamed(call: ast.Call, name: str) -> ast.expr:
    return _with(call, "func", ast.Name(name))


def _with(node: Any, name: str, value: object) -> Any:
    """The node with one of its parts replaced."""
    return type(node)(**{**dict(ast.iter_fields(node)), name: value})

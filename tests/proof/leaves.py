"""The single comparisons that rules are made of, and which of them decide a rule on a record."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from rules.model import Edition, Rule
from schemas import fields
from tests.oracle.interpreter import evaluate, order_fields, tree
from tests.oracle.record import Row

OVER_ORDERS = ("some", "every", "count", "repeated")
ORDERS = "orders"


@dataclass(frozen=True)
class Leaf:
    """A truth without ``and``, ``or`` and ``not`` outside quantifiers.

    ``negated`` under an odd number of ``not``. ``reads`` are the field ids it depends on,
    ``orders`` where it matters which orders there are, ``received`` and ``sender``.
    """

    text: str
    negated: bool
    reads: frozenset[str]
    per_order: bool

    def helps(self, row: Row) -> bool:
        """Whether it speaks for the rule being broken; unknown never does."""
        if ORDERS in self.reads:
            return evaluate(tree(self.text), row) is (not self.negated)
        seen = (self.text, self.negated, *[_read(name, row) for name in self.reads])
        if seen not in _HELPED:
            _HELPED[seen] = evaluate(tree(self.text), row) is (not self.negated)
        return _HELPED[seen]


_HELPED: dict[tuple[object, ...], bool] = {}
"""Answers by what a leaf read; the same few values come again and again."""


def _read(name: str, row: Row) -> object:
    if name == "received":
        return row.received
    return row.sender if name == "sender" else row.text(name)


@dataclass(frozen=True)
class Junction:
    """Parts of a rule of which all (or any) must hold for it to be broken."""

    every: bool
    parts: tuple[Part, ...]


Part = Leaf | Junction
Decided = tuple[bool, float, frozenset[Leaf]]
"""Whether a part holds, what its reason costs, and the leaves that are reason enough."""


def parts_of(rule: Rule) -> Junction:
    """A rule with its gate and editions."""
    gates = tuple(
        Junction(False, tuple(_leaf(f"{field} == {value!r}", False) for value in values))
        for field, values in (("H01", rule.applies.formats), ("H00", rule.applies.kinds))
        if values is not None
    )
    editions = tuple(_edition(edition) for edition in rule.editions if edition.broken_when)
    return Junction(True, (*gates, Junction(False, editions)))


def leaves_of(part: Part) -> frozenset[Leaf]:
    """Every leaf of a part."""
    if isinstance(part, Leaf):
        return frozenset((part,))
    return frozenset().union(*(leaves_of(inner) for inner in part.parts))


def decide(part: Part, row: Row, cost: Callable[[Leaf], float]) -> Decided:
    """Whether a part holds on a row, and the cheapest leaves that settle it."""
    if isinstance(part, Leaf):
        return part.helps(row), cost(part), frozenset((part,))
    decided = [decide(inner, row, cost) for inner in part.parts]
    holds = all(d[0] for d in decided) if part.every else any(d[0] for d in decided)
    if holds is part.every:  # every part had to say so
        leaves: frozenset[Leaf] = frozenset().union(*(d[2] for d in decided))
        return holds, sum(cost(leaf) for leaf in leaves), leaves
    return min((d for d in decided if d[0] is holds), key=lambda d: (d[1], len(d[2])))


def _edition(edition: Edition) -> Junction:
    clock = "M11" if edition.clock == "visit" else "received"
    since = [_leaf(f"date({clock}) < day({edition.start!r})", True)] if edition.start else []
    until = [_leaf(f"date({clock}) < day({edition.until!r})", False)] if edition.until else []
    assert edition.broken_when is not None
    return Junction(True, (*since, *until, _part(tree(edition.broken_when), False)))


def _part(node: ast.expr, negated: bool) -> Part:
    if isinstance(node, ast.BoolOp):
        every = isinstance(node.op, ast.And) is not negated
        return Junction(every, tuple(_part(value, negated) for value in node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _part(node.operand, not negated)
    return _leaf(ast.unparse(node), negated)


@cache
def _leaf(text: str, negated: bool) -> Leaf:
    names = {node.id for node in ast.walk(tree(text)) if isinstance(node, ast.Name)}
    reads = {name for name in names if name in fields() or name in ("received", "sender")}
    if names & {*OVER_ORDERS, ORDERS}:
        reads.add(ORDERS)
    return Leaf(text, negated, frozenset(reads), order_fields(text))

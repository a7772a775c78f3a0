"""Rules to a plan: every expression becomes nodes, equal nodes only once.

A rule's node is its gate (formats, kinds, edition) and its expression, joined with Kleene ``and``:
the rule is broken where that is *true*.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from rules.codes import canonical_lists
from rules.expression import lower
from rules.functions import EPOCH, roc_moment
from rules.lookups import tables_of
from rules.model import Edition, Rule
from rules.plan import Node, Plan, PlannedRule, Scope
from rules.terms import Term, join, member, over, value_of
from schemas import V1, V2, Version, every_field, layout_of, layouts
from schemas.fields import REGISTRATIONS, VISITS

_FOLDS_ORDERS = ("some", "every", "count")
_COMMUTES = ("and", "or", "equal", "add")


def compile_rules(rules: Iterable[Rule]) -> Plan:
    """The plan of a rule set. The same rules and code lists give the same plan and hash."""
    graph = _Graph()
    planned = [
        _planned(rule, edition, graph)
        for rule in sorted(rules, key=lambda rule: rule.id)
        for edition in rule.editions
    ]
    layout = _layout(planned)
    by_code: dict[str, tuple[int, ...]] = {}
    for index, rule in enumerate(planned):
        by_code[rule.code] = (*by_code.get(rule.code, ()), index)
    return Plan(
        nodes=tuple(graph.nodes),
        rules=tuple(planned),
        hash=_hash(graph.nodes, planned, layout),
        layout=layout,
        by_id={rule.id: index for index, rule in enumerate(planned)},
        by_code=by_code,
    )


def _layout(rules: list[PlannedRule]) -> str:
    """The kind of upload that all rules on fields speak of."""
    found = {layout_of(rule.field) for rule in rules if rule.field in every_field()} or {VISITS}
    if len(found) > 1:
        raise ValueError(f"rules of {', '.join(sorted(found))} don't make one plan")
    return found.pop()


class _Graph:
    """Nodes in evaluation order, hash-consed."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._index: dict[Node, int] = {}

    def emit(self, term: Term, scope: Scope) -> int:
        """The node of a term, spread over the orders where ``scope`` asks for it."""
        own = term.scope or scope
        inner: Scope = "order" if term.op in _FOLDS_ORDERS else own
        args = tuple(self.emit(arg, inner) for arg in term.args)
        if term.op in _COMMUTES:
            args = tuple(sorted(args))
        node = self._add(Node(term.op, term.params, args, own, term.type))
        if own == "record" and scope == "order":
            return self._add(Node("spread", (), (node,), "order", term.type))
        return node

    def tables(self, index: int) -> tuple[str, ...]:
        """The reference tables a node and what it stands on ask, by name."""
        seen, waiting, found = {index}, [index], set[str]()
        while waiting:
            node = self.nodes[waiting.pop()]
            found.update(tables_of(node.op, node.params))
            waiting += set(node.args) - seen
            seen.update(node.args)
        return tuple(sorted(found))

    def _add(self, node: Node) -> int:
        if node not in self._index:
            self._index[node] = len(self.nodes)
            self.nodes.append(node)
        return self._index[node]


def _planned(rule: Rule, edition: Edition, graph: _Graph) -> PlannedRule:
    is_order = rule.field in every_field() and every_field()[rule.field].is_order
    scope: Scope = "order" if is_order else "record"
    node = None
    if edition.broken_when is not None and rule.is_compiled:
        version = V1 if rule.version == "1.0" else V2
        gate = [*_applies(rule, version), *_in_force(edition, version)]
        whole = lower(edition.broken_when)
        if gate:
            whole = over("and", join("and", gate), whole)
        node = graph.emit(whole, scope)
    return PlannedRule(
        id=rule.id,
        code=edition.code,
        severity=edition.severity,
        scope=scope,
        field=rule.field,
        node=node,
        stops=rule.stops,
        decided_by=rule.decided_by,
        needs=rule.needs,
        summary_zh=edition.summary.zh,
        summary_en=edition.summary.en,
        remedy_zh=edition.remedy.zh,
        remedy_en=edition.remedy.en,
        subsumes=rule.subsumes,
        tables=() if node is None else graph.tables(node),
    )


def _applies(rule: Rule, version: Version) -> list[Term]:
    gates = (("H01", rule.applies.formats), ("H00", rule.applies.kinds))
    return [member(version.own(field), values) for field, values in gates if values is not None]


def _in_force(edition: Edition, version: Version) -> list[Term]:
    received = over("date", Term("received", (), (), "moment", "record"), gives="day")
    visit = over("date", value_of(version.own("M11")), gives="day")
    clock = over("coalesce", visit, received, gives="day") if edition.clock == "visit" else received
    bounds = []
    if edition.start is not None:
        bounds.append(over("less_equal", _day(edition.start), clock))
    if edition.until is not None:
        bounds.append(over("less", clock, _day(edition.until)))
    return bounds


def _day(text: str) -> Term:
    moment = roc_moment(text)
    if moment is None:
        raise ValueError(f"{text} is no ROC date")
    return Term("constant", ("day", (moment - EPOCH).days), (), "day", None)


def _hash(nodes: list[Node], rules: list[PlannedRule], layout: str) -> str:
    """The first 16 hex digits of the SHA-256 of nodes, rules and code lists, spelled one way.
    Of registrations their fields as well, few as they are."""
    content: dict[str, object] = {
        "nodes": [asdict(node) for node in nodes],
        "rules": [asdict(rule) for rule in rules],
        "lists": canonical_lists(layout),
    }
    if layout == REGISTRATIONS:
        content["fields"] = [asdict(field) for field in layouts()[layout].values()]
    spelled = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(spelled.encode()).hexdigest()[:16]

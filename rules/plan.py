"""A plan: the rule set compiled to data that any engine can run. Picklable and hashed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

from schemas.fields import VISITS

Scope = Literal["record", "order"]
Severity = Literal["refuse", "reject", "warn"]


@dataclass(frozen=True)
class Node:
    """One operation of ``rules.ops.OPS`` on earlier nodes. Equal nodes appear once in a plan."""

    op: str
    params: tuple[object, ...]
    args: tuple[int, ...]
    scope: Scope
    type: Literal["truth", "number", "day", "moment"]


@dataclass(frozen=True)
class PlannedRule:
    """What a finding needs of its rule. ``node`` is the truth "broken", ``None`` for rules that
    parse, merge or nobody decides (they are in the plan for their texts).

    ``field`` is where the finding stands: a field id, or an element such as ``MB2``. ``tables``
    are the reference tables without which the node may be unknown.
    """

    id: str
    code: str
    severity: Severity
    scope: Scope
    field: str
    node: int | None
    stops: bool
    decided_by: str
    needs: str
    summary_zh: str
    summary_en: str
    remedy_zh: str
    remedy_en: str
    subsumes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Nodes in evaluation order and the rules over them; ``hash`` names both and the code lists.

    ``layout`` is the kind of upload they speak of (``schemas.layouts``)."""

    nodes: tuple[Node, ...]
    rules: tuple[PlannedRule, ...]
    hash: str
    by_id: dict[str, int] = field(repr=False, compare=False, default_factory=dict)
    by_code: dict[str, tuple[int, ...]] = field(repr=False, compare=False, default_factory=dict)
    layout: str = VISITS


_NOT_HERE = ("state", "reference", "outside")


def undecided(plan: Plan, tables: Container[str]) -> list[tuple[str, str]]:
    """(rule, what it needs) of every rule that can't be decided offline with these tables.

    A rule on reference tables needs those that aren't there, one on stored uploads their state;
    what nobody here can decide needs ``outside``. ``nothing`` is needed by codes that are checked
    under the name of another.
    """
    found = []
    for rule in plan.rules:
        missing = [table for table in rule.tables if table not in tables]
        if missing:
            found.append((rule.id, ", ".join(missing)))
        elif rule.decided_by in _NOT_HERE and not rule.tables and rule.needs != "nothing":
            found.append((rule.id, rule.needs or rule.decided_by))
    return list(dict.fromkeys(found))

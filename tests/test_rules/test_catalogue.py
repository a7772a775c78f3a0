"""Every example of every rule, against the oracle with the whole catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from rules import load_plan, load_rules
from rules.load import catalogue, load_bases
from rules.model import Example
from schemas import versions
from tests.oracle.examples import distinct_examples, example_row
from tests.oracle.findings import Found, receipt_order, receipt_text, row_findings
from tests.oracle.record import Row
from tests.oracle.twins import PlanRun

RULES = {version: load_rules(version=version) for version in versions()}
BASES = {version: load_bases(version=version) for version in versions()}
Key = tuple[str, str, int]
EXAMPLES: dict[Key, Example] = {
    (version, *place): example
    for version, rules in RULES.items()
    for place, example in distinct_examples(rules).items()
    if example.base in BASES[version]
}


def name(key: Key) -> str:
    return f"{Path(key[1]).relative_to(catalogue()).with_suffix('')}:{key[2]}"


@cache
def judged(key: Key) -> tuple[Row, list[Found]]:
    """An example's record and what the oracle finds in it."""
    row = example_row(EXAMPLES[key], BASES[key[0]])
    return row, row_findings(row, RULES[key[0]])


def plan_findings(row: Row, version: str) -> list[Found]:
    """Findings of the compiled plan, node by node with the twins."""
    plan = load_plan(version=version)
    run = PlanRun(plan, row)
    broken = []
    for rule in plan.rules:
        orders = [None] if rule.scope == "record" else range(len(row.orders))
        if rule.node is not None:
            broken += [(rule, order) for order in orders if run.value(rule.node, order) is True]
    if any(rule.stops for rule, _ in broken):
        broken = [(rule, order) for rule, order in broken if rule.stops]
    subsumed = {
        (rule.field, order, code, lesser.id)
        for rule, order in broken
        for code in rule.subsumes
        for lesser, _ in broken
        if lesser.id != rule.id
    }
    found = [(rule.field, order, rule.code, rule.id, rule.severity) for rule, order in broken]
    return sorted((f for f in found if f[:4] not in subsumed), key=receipt_order)


@pytest.mark.parametrize("key", EXAMPLES, ids=name)
def test_example_gives_its_findings(key: Key) -> None:
    _, found = judged(key)
    assert receipt_text(found) == EXAMPLES[key].expect


@pytest.mark.parametrize("key", EXAMPLES, ids=name)
def test_plan_finds_what_the_expressions_say(key: Key) -> None:
    row, found = judged(key)
    assert plan_findings(row, key[0]) == found


@pytest.mark.parametrize(("version", "base"), [(v, base) for v, of in BASES.items() for base in of])
def test_base_breaks_no_rule(version: str, base: str) -> None:
    example = Example(base, "", None, None, None, {}, (), (), (), (), None, False, 0)
    row = example_row(example, BASES[version])
    assert receipt_text(row_findings(row, RULES[version])) == ""


def test_every_example_belongs_to_a_version() -> None:
    bases = [base for of in BASES.values() for base in of]
    assert len(bases) == len(set(bases))
    assert {e.base for rules in RULES.values() for r in rules for e in r.examples} <= set(bases)

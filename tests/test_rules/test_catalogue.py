"""Every example of every rule, against the oracle with the whole catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import load_plan, load_rules
from rules.load import catalogue, load_bases
from rules.model import Example
from tests.oracle.examples import distinct_examples, example_row, example_text
from tests.oracle.findings import Found, oracle_findings, receipt_order, receipt_text
from tests.oracle.record import Row
from tests.oracle.twins import PlanRun

RULES = load_rules()
EXAMPLES = distinct_examples(RULES)


def name(key: tuple[str, int]) -> str:
    return f"{Path(key[0]).relative_to(catalogue()).with_suffix('')}:{key[1]}"


@pytest.fixture(params=EXAMPLES, ids=name)
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


def plan_findings(row: Row) -> list[Found]:
    """Findings of the compiled plan, node by node with the twins."""
    plan = load_plan()
    run = PlanRun(plan, row)
    broken = []
    for rule in plan.rules:
        orders = [None] if rule.scope == "record" else range(len(row.orders))
        if rule.node is not None:
            broken += [(rule, order) for order in orders if run.value(rule.node, order) is True]
    if any(rule.stops for rule, _ in broken):
        broken = [(rule, order) for rule, order in broken if rule.stops]
    subsumed = {(rule.field, order, code) for rule, order in broken for code in rule.subsumes}
    found = [(rule.field, order, rule.code, rule.id, rule.severity) for rule, order in broken]
    return sorted((f for f in found if f[:3] not in subsumed), key=receipt_order)


def test_example_gives_its_findings(example: Example) -> None:
    assert example_text(example, load_bases(), RULES) == example.expect


def test_plan_finds_what_the_expressions_say(example: Example) -> None:
    row = example_row(example, load_bases())
    expected = oracle_findings(row.record, row.orders, RULES, row.received, row.sender)
    assert plan_findings(row) == expected


@pytest.mark.parametrize("base", load_bases())
def test_base_breaks_no_rule(base: str) -> None:
    example = Example(base, "", None, None, None, {}, (), (), (), (), None, False, 0)
    row = example_row(example, load_bases())
    found = oracle_findings(row.record, row.orders, RULES, row.received, row.sender)
    assert receipt_text(found) == ""

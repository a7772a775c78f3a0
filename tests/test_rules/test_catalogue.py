"""Every example of every rule, against the oracle with the whole catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from rules import load_rules
from rules.compile import compile_rules
from rules.load import catalogue, load_bases
from rules.model import Example
from tests.oracle.examples import distinct_examples, example_row
from tests.oracle.findings import Found, receipt_order, receipt_text, row_findings
from tests.oracle.record import Row
from tests.oracle.twins import PlanRun

RULES = load_rules()
PLAN = compile_rules(RULES)
EXAMPLES = distinct_examples(RULES)
Key = tuple[str, int]


def name(key: Key) -> str:
    return f"{Path(key[0]).relative_to(catalogue()).with_suffix('')}:{key[1]}"


@cache
def judged(key: Key) -> tuple[Row, list[Found]]:
    """An example's record and what the oracle finds in it."""
    row = example_row(EXAMPLES[key], load_bases())
    return row, row_findings(row, RULES)


def plan_findings(row: Row) -> list[Found]:
    """Findings of the compiled plan, node by node with the twins."""
    run = PlanRun(PLAN, row)
    broken = []
    for rule in PLAN.rules:
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
    assert plan_findings(row) == found


@pytest.mark.parametrize("base", load_bases())
def test_base_breaks_no_rule(base: str) -> None:
    example = Example(base, "", None, None, None, {}, (), (), (), (), None, False, 0)
    row = example_row(example, load_bases())
    assert receipt_text(row_findings(row, RULES)) == ""

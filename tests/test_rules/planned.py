"""A plan of bare expressions, for tests of the language and of kernels."""

from __future__ import annotations

from pathlib import Path

from rules.compile import compile_rules
from rules.expression import lower
from rules.model import Applies, Bilingual, Edition, Rule
from rules.plan import Plan

WORDS = Bilingual("中文", "English")


def rule_of(expression: str, rule_id: str = "test/rule", **edition: object) -> Rule:
    """A rule on any record that is broken when the expression is true."""
    order = lower(expression).scope == "order"
    only = Edition(None, None, "visit", expression, "AB", "reject", WORDS, WORDS)
    return Rule(
        id=rule_id,
        status="stable",
        since="0.1.0",
        certainty="assumed",
        decided_by="record",
        field="D01" if order else "M11",
        applies=Applies(None, None),
        editions=(Edition(**{**only.__dict__, **edition}),),
        authority=(),
        examples=(),
        why=None,
        needs="",
        reason=None,
        stops=False,
        subsumes=(),
        path=Path("test.yaml"),
        line=1,
    )


def plan_of(*expressions: str) -> Plan:
    """The plan of one rule an expression, in their order (at most ten)."""
    return compile_rules(rule_of(text, f"test/{n}") for n, text in enumerate(expressions))

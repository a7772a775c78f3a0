"""The rules of an upload: a catalogue of data, compiled to plans. Knows nothing of engines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rules.compile import compile_rules
from rules.document import RuleError
from rules.load import load_every_rule, load_rules
from rules.model import Rule
from rules.plan import Node, Plan, PlannedRule

__all__ = [
    "Node",
    "Plan",
    "PlannedRule",
    "Rule",
    "RuleError",
    "load_every_rule",
    "load_plan",
    "load_rules",
]


@cache
def load_plan(directory: Path | None = None, version: str = "2.0") -> Plan:
    """The plan of the rules below ``directory`` (default: the catalogue) about a version of the
    upload format, compiled once.

    Raises ``RuleError`` where a rule file can't be taken.
    """
    return compile_rules(load_rules(directory, version))

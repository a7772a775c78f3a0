"""Rules that silence one another: each finding must leave one that is heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from rules.document import RuleError
from rules.model import Rule


def check_subsumption(rules: Iterable[Rule]) -> None:
    """``RuleError`` where two rules of one field subsume each other, for then both are dropped."""
    by_field: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.subsumes:
            by_field[rule.field].append(rule)
    for own in by_field.values():
        for first, second in combinations(own, 2):
            if _silences(first, second) and _silences(second, first) and _may_meet(first, second):
                raise RuleError(
                    f"{first.path}:{first.line}: {first.id} and {second.id} ({second.path}) "
                    "subsume each other, so neither would be heard; take one code out"
                )


def _silences(rule: Rule, other: Rule) -> bool:
    return any(edition.code in rule.subsumes for edition in other.editions)


def _may_meet(first: Rule, second: Rule) -> bool:
    """Whether some record is looked at by both."""
    pairs = (
        (first.applies.formats, second.applies.formats),
        (first.applies.kinds, second.applies.kinds),
    )
    return all(a is None or b is None or not set(a).isdisjoint(b) for a, b in pairs)

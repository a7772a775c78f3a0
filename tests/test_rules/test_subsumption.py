"""``subsumes`` says something: it silences another finding, or names a code we never report."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from rules import Rule, RuleError, load_rules
from tests.proof.codes import Codes
from tests.test_rules.rule_files import GOOD, catalogue_of, changed

RULES = load_rules()
ALIASES = {rule.current.code for rule in RULES if rule.id.startswith("outside/named-by-another-")}
OTHER = changed("id: makeup/late", "id: makeup/later", changed("code: D060", "code: D007"))


def files_and_codes() -> dict[tuple[str, str], list[Rule]]:
    """The rules of a file that subsume a code."""
    found: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in RULES:
        for code in rule.subsumes:
            found[rule.path.stem, code].append(rule)
    return found


def test_every_code_subsumed_can_be_silenced_or_is_never_reported() -> None:
    codes, named = Codes(RULES), files_and_codes()
    assert len(named) > 30
    dead = [
        (file, code)
        for (file, code), own in named.items()
        if code not in ALIASES and not any(codes.can_silence(rule, code) for rule in own)
    ]
    assert dead == []


def test_two_rules_may_not_subsume_each_other(tmp_path: Path) -> None:
    other = OTHER.replace("M49:D060", "M49:D007") + "subsumes: [D060]\n"
    root = catalogue_of(tmp_path, makeup__late=GOOD + "subsumes: [D007]\n", makeup__later=other)
    with pytest.raises(RuleError, match=r"late\.yaml:1: .* subsume each other, so neither"):
        load_rules(root)


@pytest.mark.parametrize("otherwise", [
    "",  # one way only
    "applies: {formats: [C]}\nsubsumes: [D060]\n",  # no record is looked at by both
])  # fmt: skip
def test_rules_that_leave_one_finding_are_taken(otherwise: str, tmp_path: Path) -> None:
    other = OTHER.replace("M49:D060", "M49:D007") + otherwise
    root = catalogue_of(tmp_path, makeup__late=GOOD + "subsumes: [D007]\n", makeup__later=other)
    assert len(load_rules(root)) == 2

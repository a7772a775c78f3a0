"""Every error code of the insurer has a rule, and errors.csv says rightly who decides it."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files

import pytest

from rules import Rule, load_every_rule
from rules.codes import error_codes

RULES = load_every_rule()
ALIASES = "outside/named-by-another-code/"
# The check digit of an institution only hints at 08; the code itself speaks of the master file.
HINTS = frozenset(("identity/institution-check-digit",))


@cache
def decided() -> dict[str, str]:
    """``decidable_by`` by code, as errors.csv says it."""
    text = files("rules").joinpath("codes", "errors.csv").read_text(encoding="utf-8-sig")
    return {row["code"]: row["decidable_by"] for row in csv.DictReader(text.splitlines())}


@cache
def rules_by_code() -> dict[str, list[Rule]]:
    """The rules that report each code, those about aliases left out."""
    found: dict[str, list[Rule]] = {}
    for rule in RULES:
        for edition in rule.editions:
            if not rule.id.startswith(ALIASES) and rule.id not in HINTS:
                found.setdefault(edition.code, []).append(rule)
    return found


def ways(code: str) -> set[str]:
    """How the rules that report a code decide it."""
    return {
        f"reference {rule.needs}" if rule.decided_by == "reference" else rule.decided_by
        for rule in rules_by_code().get(code, [])
    }


@cache
def aliases() -> dict[str, str]:
    """The code that is reported in the place of another."""
    found = {}
    for rule in RULES:
        if rule.id.startswith(ALIASES):
            named = re.search(r"reported as (\S+) here", rule.current.summary.en)
            assert named is not None
            found[rule.current.code] = named[1]
    return found


@pytest.mark.parametrize("code", error_codes())
def test_code_has_a_rule_that_decides_it_as_the_table_says(code: str) -> None:
    assert decided()[code] in ways(aliases().get(code, code))


def test_code_that_another_stands_for_is_never_reported() -> None:
    assert aliases()
    assert not aliases().keys() & rules_by_code().keys()


def test_codes_of_ours_only_refuse_or_warn() -> None:
    severities = {
        edition.severity
        for rule in RULES
        for edition in rule.editions
        if edition.code.startswith("Z")
    }
    assert severities <= {"refuse", "warn"}


def test_a_code_of_ours_names_one_defect() -> None:
    ours = {(rule.current.code, rule.id) for rule in RULES if rule.current.code.startswith("Z")}
    assert len({code for code, _ in ours}) == len(ours)

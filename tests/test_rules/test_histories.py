"""Every history of every rule on stored uploads, against the slow merge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules import load_plan, load_rules
from rules.model import History, Rule
from rules.plan import undecided
from tests.oracle.replay import Replay
from tests.rule_histories import Told, breaks, histories, named, receipt_of, uploads_of

PLAN = load_plan()
MERGE = Path(__file__).parents[2] / "docs" / "MERGE.md"
ROW = re.compile(r"\| (\w+) ([MH0-9, ]+?)( \(warn\))? \| (`[^|]+`) \|$", re.MULTILINE)


@pytest.mark.parametrize("given", histories(), ids=named)
def test_history_gives_its_findings(given: tuple[Rule, History]) -> None:
    rule, history = given
    replay, found = Replay(), set[str]()
    for number, upload in enumerate(uploads_of(history)):
        answer = replay.take(f"upload-{number}", upload.payload, upload.envelope)
        told: list[Told] = [
            (f.field, None if f.order < 0 else f.order + 1, code_of(f.rule), f.rule)
            for f in answer.findings
        ]
        found |= {f.rule for f in answer.findings}
        assert receipt_of(told) == upload.expect
    assert (rule.id in found) == breaks(rule, history)


def code_of(rule: str) -> str:
    return PLAN.rules[PLAN.by_id[rule]].code


def test_every_rule_of_the_merge_is_broken_and_kept() -> None:
    told = Counter((rule.id, breaks(rule, history)) for rule, history in histories())
    stable = {r.id for r in load_rules() if r.decided_by == "state" and r.status == "stable"}
    assert set(told) == {(rule, is_broken) for rule in stable for is_broken in (True, False)}


def test_offline_every_rule_on_stored_uploads_is_told_as_not_checked() -> None:
    needs = dict(undecided(PLAN, ()))
    for rule in load_rules():
        if rule.decided_by == "state":
            assert needs[rule.id] == ("state" if rule.status == "stable" else rule.needs)


def test_what_no_merge_decides_says_why() -> None:
    planned = [r for r in load_rules() if r.decided_by == "state" and r.status == "preview"]
    assert {rule.current.code for rule in planned} == {"C003", "E002", "D082"}
    assert all(rule.reason is not None and rule.needs != "state" for rule in planned)


def rows_of_the_page() -> Iterator[tuple[str, str, str, str]]:
    """(rule, code, field, severity) of every row of docs/MERGE.md; ``…`` and ``/controlled``
    stand for what the name before has in their place."""
    folder = ""
    for code, fields, warns, cell in ROW.findall(MERGE.read_text(encoding="utf-8")):
        rules: list[str] = []
        for name in re.findall("`([^`]+)`", cell):
            if name.startswith("/"):
                rules.append(rules[-1].rpartition("/")[0] + name)
            else:
                rules.append(name.replace("…", folder))
        folder = rules[0].rpartition("/")[0] if "…" not in cell else folder
        for rule, field in zip(rules, fields.split(", "), strict=True):
            yield rule, code, field, "warn" if warns else "reject"


def test_rules_are_those_of_the_page() -> None:
    named = list(rows_of_the_page())
    assert len(named) == 25
    rules = {rule.id: rule for rule in load_rules()}
    for rule_id, code, field, severity in named:
        rule = rules[rule_id]
        assert (rule.current.code, rule.field) == (code, field)
        assert (rule.current.severity, rule.status) == (severity, "stable")
    others = {"state/not-within-a-day", "state/emergency-not-within-an-hour"}
    others |= {"state/earlier-version-stands"}
    stable = {r.id for r in rules.values() if r.decided_by == "state" and r.status == "stable"}
    assert stable == {rule for rule, *_ in named} | others

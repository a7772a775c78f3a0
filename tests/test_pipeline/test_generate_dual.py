"""The same visits in 1.0 and as 2.0 pre-checks: both are taken, and match as they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.core import Processed, process_many
from pipeline.generate import DUAL_AS_OF, generate_dual
from pipeline.generate.dual import WINDOW_DAYS
from pipeline.outcome import Envelope, Mode, Verdict
from pipeline.parse.arrow import visit_table
from pipeline.parse.recognise import recognise
from rules import load_plan
from schemas import V1
from schemas.versions import PRECHECK_KEY

KEYS = [V1.own(field).id for field in PRECHECK_KEY]


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dual")
    made = generate_dual(3_000, 40, 6, 0.2, out)
    assert made.visits == 3_000
    return out


def processed(paths: list[Path], version: str, mode: Mode) -> Processed:
    payloads = [path.read_bytes() for path in paths]
    assert {recognise(payload).number for payload in payloads} == {version}
    envelopes = [Envelope(DUAL_AS_OF, mode=mode)] * len(payloads)
    return process_many(payloads, envelopes, load_plan(version=version), "fast")


def accepted(made: Processed) -> list[dict[str, Any]]:
    rows = visit_table(made.batch).to_pylist()
    taken = (made.verdict != Verdict.REJECTED).tolist()
    return [row for row, good in zip(rows, taken, strict=True) if good]


def test_every_1_0_record_is_taken(country: Path) -> None:
    made = processed(sorted((country / "v1").glob("*.xml")), "1.0", "official")
    assert set(made.refusals) == {None}
    assert len(made.findings) == 0
    assert {row["A01"] for row in accepted(made)} == {"1", "2", "3", "4"}


def test_pre_checks_fail_only_where_that_is_planted(country: Path) -> None:
    made = processed(sorted(country.glob("precheck/*/*.xml")), "2.0", "precheck")
    assert set(made.refusals) == {None}
    codes = Counter(made.plan.rules[rule].code for rule in made.findings.rule.tolist())
    planted = [line for line in expected(country) for line in line["unmatched"]]
    assert codes == {"AA": sum(one["why"] == "rejected" for one in planted)}


def expected(country: Path) -> list[dict[str, Any]]:
    lines = (country / "expected-pairs.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def test_visits_match_as_they_say(country: Path) -> None:
    """The comparison by hand: the last 1.0 record of a visit, and its four keys."""
    for line in expected(country):
        one = processed([country / "v1" / line["upload"]], "1.0", "official")
        last = {(r["A14"], r["A12"], r["A17"]): r for r in accepted(one)}
        path = country / "precheck" / line["channel"] / line["upload"]
        two = accepted(processed([path], "2.0", "precheck")) if path.exists() else []
        there = {tuple(row[field] for field in PRECHECK_KEY) for row in two}
        matched = [row for row in last.values() if tuple(row[key] for key in KEYS) in there]
        assert (len(last), len(matched)) == (line["v1"], line["matched"])
    reasons = {one["why"] for line in expected(country) for one in line["unmatched"]}
    assert reasons == {"missing", "rejected", *KEYS}


def test_visits_fall_on_the_days_that_are_compared(country: Path) -> None:
    made = processed(sorted((country / "v1").glob("*.xml")), "1.0", "official")
    days = {row["A17"][:7] for row in accepted(made)}
    assert days == {f"11303{day}" for day in range(20 - WINDOW_DAYS, 20)}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate_dual(60, 5, 3, 0.3, tmp_path / name)
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
    )
    assert one == two

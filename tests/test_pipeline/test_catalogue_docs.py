"""The catalogue for people: pages, explanations and lists made from the rules themselves."""

from __future__ import annotations

import random
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from pipeline.cli import WRONG_USAGE, main
from pipeline.report.catalogue.coverage import coverage, decidable
from pipeline.report.catalogue.entries import Entry, entries
from pipeline.report.catalogue.families import Family
from pipeline.report.catalogue.fragment import Piece
from pipeline.report.catalogue.pages import HTML, MARKDOWN, pages
from pipeline.report.catalogue.records import example_record
from rules import load_every_rule, load_plan
from rules.codes import error_codes
from rules.load import load_every_base
from tests.oracle.examples import distinct_examples, example_row

Out = pytest.CaptureFixture[bytes]
RULES = load_every_rule()


@cache
def known() -> dict[str, Entry]:
    return {entry.code: entry for entry in entries(RULES)}


@cache
def written() -> dict[str, str]:
    return pages(RULES, load_plan())


def all_families() -> list[Family]:
    return [family for entry in known().values() for family in entry.families]


class Page(HTMLParser):
    """Ids, links and sources of a page, and whether every element is closed."""

    VOID = frozenset(("meta", "link", "input", "br"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_examples_are_the_records_that_the_rules_are_tested_on() -> None:
    bases = load_every_base()
    for example in distinct_examples(RULES).values():
        row, record = example_row(example, bases), example_record(example, bases)
        assert (record.visit, list(record.orders)) == (row.record, row.orders)
        assert (record.received, record.sender) == (row.received, row.sender)


def test_every_family_with_examples_shows_the_guilty_place() -> None:
    def guilty(pieces: list[Piece], code: str) -> bool:
        return any(p.state in ("bad", "missing") and code in p.codes for p in pieces)

    shown = [family for family in all_families() if family.failing is not None]
    assert len(shown) > 100
    for family in shown:
        assert family.failing is not None
        failing = [piece for line in family.failing.lines for piece in line.pieces]
        assert guilty(failing, family.code), family.name
        assert f"{family.code};" in family.failing.answer
        if family.passing is None:
            assert family.failing.tables, family.name
            continue
        places = {f"{rule.field}:{family.code};" for rule in family.rules}
        assert not any(place in family.passing.answer for place in places)
        assert family.failing != family.passing


def test_every_rule_decided_by_the_record_has_both_examples() -> None:
    bare = [
        family.name
        for family in all_families()
        if family.first.decided_by == "record" and family.failing is None
    ]
    assert bare == []


def test_the_page_has_every_code_and_rule_once_and_no_dead_link() -> None:
    page = Page(written()[HTML])
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {*error_codes(), *known(), *(rule.id for rule in RULES)} <= set(page.ids)
    local = [link[1:] for link in page.links if link.startswith("#")]
    assert set(local) <= set(page.ids)
    assert [link for link in page.links if not link.startswith("#")] == ["data:,"]


def test_the_same_rules_give_the_same_pages() -> None:
    shuffled = list(RULES)
    random.Random(5).shuffle(shuffled)
    in_order = sorted(shuffled, key=lambda rule: rule.id)
    assert pages(tuple(in_order), load_plan()) == written()


def test_markdown_has_every_code_and_stays_readable_on_the_web() -> None:
    lines = written()[MARKDOWN].splitlines()
    assert {f"### {code}" for code in known()} <= set(lines)
    assert len(written()[MARKDOWN].encode()) < 500_000


def test_texts_are_escaped() -> None:
    assert "&lt;" in written()[HTML]
    assert "M49&lt;M11" in written()[HTML]
    assert r"M49\<M11" in written()[MARKDOWN]


def test_coverage_counts_every_code_of_the_insurer_once() -> None:
    rows = coverage(known().values())
    assert sum(row.codes for row in rows) == len(error_codes())
    total = decidable(rows)
    outside = [row for row in rows if row.decided_by == "outside"]
    assert total.codes + sum(row.codes for row in outside) == len(error_codes())
    assert 0 < total.percent <= 100


def test_a_code_is_planned_as_long_as_nothing_evaluates_its_rules() -> None:
    for entry in known().values():
        able = [rule for rule in entry.rules if rule.decided_by != "outside"]
        evaluated = [r for r in able if r.is_compiled or r.status in ("stable", "deprecated")]
        if entry.state == "checked":
            assert evaluated, entry.code
        if entry.state == "planned" and evaluated:
            assert entry.insurer is not None
            assert entry.insurer.decidable_by not in {rule.decided_by for rule in evaluated}


def test_a_code_that_nobody_decides_says_why() -> None:
    silent = [
        code
        for code, entry in known().items()
        if entry.state in ("outside", "merged") and not all(rule.reason for rule in entry.rules)
    ]
    assert silent == []
    assert known()["C001"].merged_into == "D086"
    assert known()["C001"].state == "merged"


def test_docs_check_tells_stale_pages(tmp_path: Path, capsysbinary: Out) -> None:
    asked = ["rules", "docs", "--out", str(tmp_path)]
    assert main([*asked, "--check"]) == 1
    assert capsysbinary.readouterr().err.decode().count("is stale") == 2
    assert main(asked) == 0
    assert main([*asked, "--check"]) == 0
    page = tmp_path / MARKDOWN
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert main([*asked, "--check"]) == 1
    assert MARKDOWN in capsysbinary.readouterr().err.decode()


def test_list_for_machines_says_what_it_must(capsysbinary: Out) -> None:
    assert main(["rules", "list", "--format", "json"]) == 0
    listed = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert len(listed) == len(RULES)
    wanted = {"id", "code", "severity", "status", "needs", "since", "effective"}
    assert all(wanted <= rule.keys() for rule in listed)
    assert set(error_codes()) <= {rule["code"] for rule in listed}
    assert all(rule["reason_zh"] for rule in listed if rule["decided_by"] == "outside")
    dated = next(rule for rule in listed if rule["id"] == "makeup/refill-without-card")
    assert dated["effective"] == [{"from": "2025-01-01", "until": None, "clock": "visit"}]


def test_explain_a_field_tells_of_that_field_only(capsysbinary: Out) -> None:
    assert main(["explain", "M15:AA;D060;"]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "required/M15" in said
    assert "required/M03" not in said
    assert "M15 沒有填 missing ✗AA" in said
    assert "makeup/visit-not-before-swipe" in said


def test_explain_says_where_a_code_is_reported_instead(capsysbinary: Out) -> None:
    assert main(["explain", "M03:D060"]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "no rule reports it on M03" in said
    assert "it is reported on: M49" in said


@pytest.mark.parametrize(
    ("asked", "near"), [("D6O", "D060"), ("M99:AA", "M49"), ("d0600", "D060"), ("?!", "")]
)
def test_explain_suggests_what_may_be_meant(capsysbinary: Out, asked: str, near: str) -> None:
    assert main(["explain", asked]) == WRONG_USAGE
    assert near in capsysbinary.readouterr().err.decode()


def test_show_tells_a_rule_with_examples(capsysbinary: Out) -> None:
    assert main(["rules", "show", "dates/too-old"]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "收件時間 received: 2025-07-01 00:00:00" in said
    assert main(["rules", "show", "dates/too-old", "--format", "json"]) == 0
    assert orjson.loads(capsysbinary.readouterr().out)["editions"][0]["broken_when"]

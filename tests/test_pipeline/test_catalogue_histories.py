"""Histories in the catalogue for people: on both pages and on a terminal."""

from __future__ import annotations

from functools import cache

import pytest

from pipeline.cli import main
from pipeline.report.catalogue.entries import entries
from pipeline.report.catalogue.families import Family
from pipeline.report.catalogue.pages import HTML, MARKDOWN, pages
from rules import load_plan, load_rules

RULES = load_rules()


@cache
def families() -> list[Family]:
    """Families of rules on stored uploads that a merge decides."""
    return [
        family
        for entry in entries(RULES)
        for family in entry.families
        if family.first.decided_by == "state" and family.first.status == "stable"
    ]


def test_every_family_shows_a_history_that_breaks_it_and_one_that_does_not() -> None:
    assert len(families()) > 20
    for family in families():
        failing, passing = family.histories
        assert failing is not None
        assert passing is not None
        guilty = {
            (row.field, code) for row in failing.rows for cell in row.cells for code in cell.codes
        }
        assert (family.first.field, family.code) in guilty
        kept = {(row.field, code) for row in passing.rows for c in row.cells for code in c.codes}
        assert (family.first.field, family.code) not in kept


def test_a_history_tells_fields_by_which_its_records_differ() -> None:
    (family,) = [f for f in families() if f.first.id.endswith("/leg-dispensed-elsewhere")]
    failing = family.histories[0]
    assert failing is not None
    told = {row.field: [cell.text for cell in row.cells] for row in failing.rows}
    assert told["M05"] == ["3599019970", "5999019961", "5999019989"]
    assert told["M33"] == ["1", "2", "2"]
    assert told["M16"] == ["", told["M15"][0], told["M15"][0]]
    assert failing.answers == ("", "", "M16:D025;")
    assert "M03" not in told


def test_pages_show_histories_as_tables() -> None:
    written = pages(RULES, load_plan())
    count = sum(told is not None for family in families() for told in family.histories)
    assert written[HTML].count('<figure class="history ') == count
    assert written[MARKDOWN].count("| 第幾筆 record |") == count
    row = "| 回覆 answer | ✓ | ✓ | `M16:D025;` |"
    assert row in written[MARKDOWN].splitlines()


def test_terminal_tells_records_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "show", "state/not-own-record"]) == 0
    text = capfd.readouterr().out
    assert "依序上傳 uploaded in this order" in text
    assert text.index("1. 2025-03-05 10:00:12  ✓") < text.index("2. 2025-03-05 10:00:12  M15:D086;")

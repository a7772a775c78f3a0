"""The catalogue asked: codes, lines of answers, words."""

from __future__ import annotations

import pytest

from pipeline.report.catalogue.search import Asked, catalogue, rule_families


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("AA", [Asked("AA")]),
        (" aa ", [Asked("AA")]),
        ("ＡＡ", [Asked("AA")]),
        ("zo01", [Asked("Z001")]),
        ("M15:AA;", [Asked("AA", "M15")]),
        ("m15:aa", [Asked("AA", "M15")]),
        ("D05[12]:AF;", [Asked("AF", "D05")]),
        ("M15:AA;D05[1]:AF;M15:AA;", [Asked("AA", "M15"), Asked("AF", "D05")]),
        ("M15:AA; D05[1]:AF;", [Asked("AA", "M15"), Asked("AF", "D05")]),
        ("M15:AA;M16:ZZ99;", [Asked("AA", "M15")]),
        ("M15:AA; and so on", []),
        ("birth date", []),
        ("", []),
        (";", []),
    ],
)
def test_codes_are_recognised(typed: str, asked: list[Asked]) -> None:
    assert catalogue().asked(typed) == asked


def test_every_code_is_found_by_itself() -> None:
    for entry in catalogue().entries:
        assert catalogue().search(entry.code) == [entry]
        assert catalogue().search(f"M15:{entry.code.lower()};") == [entry]


def test_words_narrow() -> None:
    found = catalogue().search("補卡")
    both = catalogue().search("補卡 日期")
    assert found
    assert {e.code for e in both} < {e.code for e in found}
    assert catalogue().search("ABSOLUTELY nothing says this") == []
    assert catalogue().search("M15:") == catalogue().search("m15")
    assert catalogue().search("") == list(catalogue().entries)


def test_a_field_narrows_to_its_rules() -> None:
    entry = catalogue().by_code["AA"]
    (family,) = catalogue().families(entry, "m15")
    assert [rule.field for rule in family.rules] == ["M15"]
    assert family.remedy is not None
    assert "M15" in family.remedy.en
    assert catalogue().families(entry, "V99") == entry.families


def test_an_unknown_code_has_neighbours() -> None:
    assert "AA" in [entry.code for entry in catalogue().near("AAQ")]
    assert catalogue().near("") == []
    assert catalogue().entry("AAQ") is None


def test_every_rule_is_told_under_its_codes() -> None:
    for rule in catalogue().rules[::40]:
        told = rule_families(rule)
        assert {code for code, _ in told} == {edition.code for edition in rule.editions}
        assert all(family.rules == (rule,) for _, family in told)

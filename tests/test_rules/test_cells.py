"""The oracle's reading of one cell, held against known answers (the oracle needs them too)."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction

import pytest

from tests.oracle import cells

DOCUMENT_ID = "0USE4FA11RP4J370WR4K"  # document 001: A123456789 at 1090114233615


def test_treatment_id_of_document_001() -> None:
    assert cells.holds_person("M15", DOCUMENT_ID, "M03", "A123456789") is True
    assert cells.holds_person("M15", DOCUMENT_ID, "M03", "A123456780") is True  # no check digit
    assert cells.holds_person("M15", DOCUMENT_ID, "M03", "A123456889") is False
    assert cells.moment_of("M15", DOCUMENT_ID) == datetime(2020, 1, 14, 23, 36, 15)
    assert cells.person_code("A123456789") == DOCUMENT_ID[6:13]
    assert cells.moment_code(datetime(2020, 1, 14, 23, 36, 15)) == DOCUMENT_ID[14:]


@pytest.mark.parametrize("text", [
    "SM000000000000000000", "99999999999999999999", "C0000000000000000000", "D0100000000000000000",
])  # fmt: skip
def test_special_codes_hold_nobody(text: str) -> None:
    assert cells.special("M16", text) is True
    assert cells.holds_person("M16", text, "M03", "A123456789") is None
    assert cells.moment_of("M16", text) is None


def test_missing_code_is_in_form_where_its_shape_allows_it() -> None:
    text = "MISS0000000000000000"
    assert [cells.special(field, text) for field in ("M15", "M16", "M52")] == [None, True, True]


def test_persons_with_letters_the_alphabet_lacks_are_unknown() -> None:
    assert cells.holds_person("M15", DOCUMENT_ID, "M03", "I123456789") is None
    assert cells.holds_person("M15", DOCUMENT_ID, "M03", "P1234") is None


@pytest.mark.parametrize(("person", "holds"), [
    ("A123456789", True), ("A123456788", False), ("A199999999", True), ("F999000014", True),
    ("H299991232", True), ("AB12345677", True), ("AB12345678", False), ("AE12345678", None),
    ("A12345678", None), ("", None), (None, None),
])  # fmt: skip
def test_person_check(person: str | None, holds: bool | None) -> None:
    assert cells.person_check("M03", person) is holds


@pytest.mark.parametrize(("institution", "holds"), [
    ("3502060427", True), ("1101110026", True), ("359901A986", True), ("3502060428", False),
    ("35020604", None),
])  # fmt: skip
def test_institution_check(institution: str, holds: bool | None) -> None:
    assert cells.institution_check("M05", institution) is holds


@pytest.mark.parametrize(("field", "text", "fault"), [
    ("M11", "1140230000000", "type"), ("M11", "1130229235959", None),
    ("M11", "1140101240000", "type"), ("M11", "114010112000", "length"),
    ("M11", "11401011200０0", "chinese"), ("M04", "0000101", "type"), ("M04", "0010101", None),
    ("M04", " 140101", "type"), ("M04", "   ", None), ("M04", None, None),
    ("M09", "9", None), ("M09", "10", "length"), ("M09", "x", "type"),
    ("M30", "9" * 18, None), ("M30", "9" * 19, "length"), ("M20", "+7", "type"),
    ("M20", "7 ", "type"), ("M20", "٧", "chinese"),
    ("D10", "00001.0", None), ("D10", "1.", "type"), ("D10", "1.25", "type"),
    ("D10", "000001.0", "length"), ("D10", "-1", "type"),
    ("M12", "x", None), ("M12", "10", "length"), ("M12", "一", "chinese"), ("M07", "3 ", None),
    ("M03", "A12345678", "length"), ("M03", "1234567890", "type"),
    ("M15", DOCUMENT_ID[:-1], "length"), ("M15", DOCUMENT_ID[:-1] + "I", "type"),
    ("M35", "j00", "type"), ("D15", "飯後", None), ("D08", "每日", None), ("D11", "中", "chinese"),
    ("D06", "許" * 20, "chinese"), ("D08", "早" * 18, None), ("D08", "早" * 19, "length"),
    ("M03", "\u3000", "chinese"),
])  # fmt: skip
def test_fault_of(field: str, text: str | None, fault: str | None) -> None:
    assert cells.fault_of(field, text) == fault
    aspects = [a for a in ("chinese", "length", "type") if cells.malformed(field, text, a)]
    assert aspects == ([fault] if fault else [])
    assert cells.malformed(field, text) is (fault is not None)


@pytest.mark.parametrize(("text", "is_filled"), [
    (None, False), ("", False), (" \t\r\n", False), ("\u3000", True), ("\xa0", True), (" x", True),
])  # fmt: skip
def test_filled(text: str | None, is_filled: bool) -> None:
    assert cells.filled(text) is is_filled


def test_values() -> None:
    assert cells.value("D10", "00001.5") == Fraction(3, 2)
    assert cells.value("M44", "0003227") == 3227
    assert cells.value("M04", "0700315") == date(1981, 3, 15)
    assert cells.value("M11", "1140305093012") == datetime(2025, 3, 5, 9, 30, 12)
    assert cells.value("M04", "0700231") is None


@pytest.mark.parametrize(("text", "runs"), [
    ("1", True), ("23", True), ("234", True), ("21", False), ("13", False), ("90", False),
    ("2x", None), ("", None),
])  # fmt: skip
def test_consecutive(text: str, runs: bool | None) -> None:
    assert cells.consecutive("M33", text) is runs


@pytest.mark.parametrize(("person", "expected"), [
    ("A123456789", 1), ("A200000000", 2), ("A800000000", 1), ("A900000000", 2),
    ("AC00000000", 1), ("AD00000000", 2), ("A300000000", None),
])  # fmt: skip
def test_sex(person: str, expected: int | None) -> None:
    assert cells.sex("M03", person) == expected


@pytest.mark.parametrize(("text", "position"), [("A", 1), ("e", 5), ("F", None), ("", None)])
def test_letter(text: str, position: int | None) -> None:
    assert cells.letter("M10", text) == position

"""Identifiers agree with the documents and the samples, whose makers knew nothing of this code."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.generate.ids import (
    institution_code,
    person_id,
    person_mark,
    treatment_id,
    wrong_check_digit,
)
from pipeline.generate.moments import moment_of, stamp
from pipeline.taipei import TAIPEI

SAMPLES = sorted(Path("tests/fixtures/samples").glob("*.xml"))
REC = re.compile(rb"<REC>.*?</REC>", re.DOTALL)


def at(text: str) -> int:
    """The moment of a ROC yyyMMddHHmmss."""
    when = datetime.strptime(f"{int(text[:3]) + 1911}{text[3:]}", "%Y%m%d%H%M%S")
    return moment_of(when.replace(tzinfo=TAIPEI))


def test_document_001_worked_example() -> None:
    made = treatment_id("3502060427", "A123456789", at("1090114233615"))
    assert made[6:] == "0USE4FA11RP4J370WR4K"[6:]


@pytest.mark.parametrize("path", [p for p in SAMPLES if "bad" not in p.name], ids=lambda p: p.name)
def test_samples_hold_the_same_person_and_time(path: Path) -> None:
    for record in REC.findall(path.read_bytes()):
        value = dict(re.findall(rb"<(M03|M05|M11|M15)>([^<]*)<", record))
        if b"M15" not in value:
            continue
        person, moment = value[b"M03"].decode(), at(value[b"M11"].decode())
        made = treatment_id(value[b"M05"].decode(), person, moment)
        planted = value[b"M11"] == b"1140501095959"  # sample 14, record 8: D005
        assert (made[6:] == value[b"M15"].decode()[6:]) is not planted


@pytest.mark.parametrize(
    "person", ["A199999999", "B299999983", "F999000014", "H299991232", "K199988771"]
)
def test_person_ids_of_the_samples(person: str) -> None:
    assert person_id(person[0], person[1], int(person[2:9])) == person


@pytest.mark.parametrize(
    "code",
    ["3999019987", "3599019970", "359901A986", "5999019961", "3502060427", "1101110026"],
)
def test_institution_codes_of_samples_and_documents(code: str) -> None:
    assert institution_code(code[:9]) == code
    assert wrong_check_digit(code)[:9] == code[:9]
    assert wrong_check_digit(code) != code


def test_letters_outside_the_alphabet_are_written_otherwise() -> None:
    assert set("IO").isdisjoint(person_mark(person_id("I", "1", 9_123_456)))
    assert set("IO").isdisjoint(person_mark(person_id("O", "D", 9_123_456)))


@given(st.datetimes(datetime(2014, 1, 1), datetime(2046, 12, 31)))
def test_moments_are_told_as_the_calendar_tells_them(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=TAIPEI)
    moment = moment_of(when)
    assert stamp(moment) == f"{when.year - 1911:03d}{when:%m%d%H%M%S}"
    assert at(stamp(moment)) == moment

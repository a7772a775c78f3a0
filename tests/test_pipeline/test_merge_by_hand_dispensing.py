"""Prescriptions over time, row by row of docs/MERGE.md, as stories that a store must agree with.

``send`` gives what the merge finds in an upload; ``refills`` the ledger of a prescription.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scenario import Scenario
from visit_records import (
    CLINIC,
    HOSPITAL,
    OTHER_PHARMACY,
    PERSON,
    PHARMACY,
    SPECIAL,
    Record,
    dispensing,
    moment,
    refill,
    special,
    visit,
)

MORNING = moment("2025-12-20T09:30:00")
NOON = moment("2025-12-20T12:00:00")
PRESCRIPTION = refill(CLINIC, PERSON, MORNING, 3)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Scenario]:
    """A story; when it is told, the real run must come to the same tables."""
    story = Scenario()
    yield story
    story.assert_a_store_agrees(tmp_path)


def leg(legs: str, by: str = PHARMACY, after: int = 0, of: Record = PRESCRIPTION) -> Record:
    """A dispensing of chronic refills of a prescription."""
    return dispensing(by, of, NOON + after, chronic=legs)


def test_refills_are_dispensed_in_order(story: Scenario) -> None:
    assert story.send(PRESCRIPTION) == ""
    assert story.refills(PRESCRIPTION) == "C1=open C2=open C3=open"
    assert story.send(leg("1")) == ""
    assert story.send(leg("23", OTHER_PHARMACY, 1)) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=dispensed C3=dispensed"


def test_the_first_refill_may_be_dispensed_by_the_visit_itself(story: Scenario) -> None:
    here = refill(CLINIC, PERSON, MORNING, 3, legs="1")
    assert story.send(here) == ""
    assert story.send(leg("2")) == ""
    assert story.refills(here) == "C1=dispensed C2=dispensed C3=open"


def test_a_correction_dispenses_anew(story: Scenario) -> None:
    first = leg("1")
    story.send_each(PRESCRIPTION, first)
    assert story.send(first.but(M33="12")) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=dispensed C3=open"
    assert story.send(first.but(M33="1")) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=open C3=open"
    assert story.send(first.as_format("D")) == ""
    assert story.refills(PRESCRIPTION) == "C1=open C2=open C3=open"


def test_zeros_and_nines_say_nothing(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    assert story.send(leg("1").but(M33="01")) == ""
    nine = leg("9", after=1).but(M26=None, M21=None)
    orders = tuple({k: v for k, v in o.items() if k != "D04"} for o in nine.orders)
    assert story.send(replace(nine, orders=orders)) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=open C3=open"


def test_row_10_dispensed_before_it_was_prescribed(story: Scenario) -> None:
    """The prescription adopts what was dispensed, and is not blamed for it."""
    assert story.send(leg("2")) == "1 M16:D049; 1 M33:D024"
    assert story.refills(PRESCRIPTION) == "C2=dispensed"
    assert story.send(PRESCRIPTION) == ""
    assert story.refills(PRESCRIPTION) == "C1=open C2=dispensed C3=open"
    assert story.send(leg("3", after=1)) == "1 M33:D022"  # 1 is missing still
    assert story.send(leg("1", after=1)) == ""


def test_row_10_a_refill_that_the_prescription_hasnt(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    assert story.send(leg("4").but(M26="4", M21="112")) == "1 M33:D024"
    assert story.refills(PRESCRIPTION) == "C1=open C2=open C3=open C4=dispensed"
    plain = visit(CLINIC, PERSON, MORNING + 1)
    story.send(plain)
    assert story.send(leg("1", after=1, of=plain)) == "1 M33:D024"


def test_rows_10_and_13_are_told_a_kind(story: Scenario) -> None:
    both = refill(CLINIC, PERSON, MORNING, 3, 3)
    unknown = dispensing(PHARMACY, both, NOON, chronic="1", controlled="1")
    assert story.send(unknown) == "1 M16:D049; 1 M33:D024; 1 M34:D024"
    story.send(both)
    assert story.send(unknown.but(M33="2", M34="3")) == (
        "1 M33:D022; 1 M34:D022; 1 stands 0000.xml/1"
    )


def test_row_11_what_is_cancelled_isnt_dispensed(story: Scenario) -> None:
    story.send_each(PRESCRIPTION, leg("1"))
    assert story.send(PRESCRIPTION.as_format("C")) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=cancelled C3=cancelled"
    assert story.send(leg("2", after=1)) == "1 M16:D023"
    assert story.send(PRESCRIPTION.as_format("E")) == ""
    assert story.send(leg("2", after=1)) == ""


def test_row_11_the_first_refill_is_not_cancelled(story: Scenario) -> None:
    story.send(PRESCRIPTION, PRESCRIPTION.as_format("C"))
    assert story.refills(PRESCRIPTION) == "C1=open C2=cancelled C3=cancelled"
    assert story.send(leg("1")) == ""


def test_row_12_dispensed_elsewhere(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    story.send(leg("1"))
    assert story.send(leg("1", OTHER_PHARMACY, 1)) == "1 M16:D025"
    assert story.send(leg("12", HOSPITAL, 2)) == "1 M16:D025"
    assert story.send(leg("2", HOSPITAL, 2)) == ""


def test_row_12_is_for_the_prescriber_too(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    story.send(leg("1"))
    assert story.send(refill(CLINIC, PERSON, MORNING, 3, legs="1")) == (
        "1 M16:D025; 1 stands 0000.xml/1"
    )


def test_rows_10_and_12_of_a_prescription_that_isnt_there(story: Scenario) -> None:
    story.send(leg("1"))
    assert story.send(leg("1", OTHER_PHARMACY, 1)) == "1 M16:D049; 1 M33:D024; 1 M16:D025"
    assert story.send(leg("1", PHARMACY, 2)) == "1 M16:D049; 1 M33:D024; 1 M33:D022"


def test_row_13_no_gap_and_not_twice(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    assert story.send(leg("2")) == "1 M33:D022"
    assert story.send(leg("1")) == ""
    assert story.send(leg("1", after=1)) == "1 M33:D022"
    assert story.send(leg("3", after=1)) == "1 M33:D022"
    assert story.send(leg("2", after=1)) == ""


def test_row_13_a_refill_taken_back_leaves_a_gap(story: Scenario) -> None:
    first, second = leg("1"), leg("2", OTHER_PHARMACY, 1)
    story.send(PRESCRIPTION)
    story.send_each(first, second)
    gone = first.but(M33="0", M24="1")
    assert story.send(gone) == "1 rejected; 1 stands 0001.xml/1"  # D04=C needs a leg
    taken_back = dispensing(PHARMACY, PRESCRIPTION, NOON, "A")
    assert story.send(taken_back) == "1 M33:D022; 1 M16:Z013; 1 stands 0001.xml/1"
    assert story.send(second.as_format("D")) == ""
    assert story.send(taken_back) == "1 M16:Z013"


def test_row_13_looks_at_the_prescription_of_the_version_before(story: Scenario) -> None:
    other = refill(CLINIC, PERSON, MORNING + 1, 3)
    first = leg("1")
    story.send(PRESCRIPTION, other)
    story.send_each(first, leg("2", OTHER_PHARMACY, 1))
    assert story.send(leg("1", of=other)) == "1 M33:D022; 1 stands 0001.xml/1"


def test_row_13_the_prescriber_is_asked_only_for_what_it_takes_back(story: Scenario) -> None:
    here = refill(CLINIC, PERSON, MORNING, 3, legs="1")
    story.send(leg("3", after=5))
    assert story.send(here) == ""  # 1 and 3: not its fault
    assert story.send(here.but(M44="111")) == ""
    assert story.send(PRESCRIPTION) == "1 M33:D022; 1 stands 0002.xml/1"


def test_row_14_a_count_cant_go_below_what_others_dispensed(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    story.send(leg("12"))
    assert story.send(refill(CLINIC, PERSON, MORNING, 2)) == ""
    assert story.send(PRESCRIPTION) == ""
    assert story.send(visit(CLINIC, PERSON, MORNING)) == "1 M26:D016; 1 stands 0003.xml/1"


def test_row_14_of_a_controlled_refill(story: Scenario) -> None:
    three = refill(CLINIC, PERSON, MORNING, 0, 3)
    story.send(three)
    story.send(dispensing(PHARMACY, three, NOON, controlled="123"))
    assert story.send(refill(CLINIC, PERSON, MORNING, 0, 2)) == "1 M29:D016; 1 stands 0000.xml/1"


def test_row_14_what_was_above_the_count_before_is_no_matter(story: Scenario) -> None:
    four = refill(CLINIC, PERSON, MORNING, 4)
    story.send(four)
    story.send(leg("5", of=four).but(M26="5", M21="140"))
    assert story.send(PRESCRIPTION) == ""


def test_rows_14_and_13_of_a_prescriber_that_takes_everything_back(story: Scenario) -> None:
    here = refill(CLINIC, PERSON, MORNING, 3, legs="1")
    story.send(here)
    story.send(leg("2"))
    plain = visit(CLINIC, PERSON, MORNING)
    assert story.send(plain) == "1 M33:D022; 1 M26:D016; 1 stands 0000.xml/1"


def test_a_lower_count_forgets_what_was_cancelled_above_it(story: Scenario) -> None:
    both = refill(CLINIC, PERSON, MORNING, 3, 3)
    story.send(both, both.as_format("C"))
    story.send(refill(CLINIC, PERSON, MORNING, 2, 2))
    assert story.refills(both) == "C1=open C2=cancelled F1=open F2=cancelled"
    story.send(both)
    assert story.refills(both) == "C1=open C2=cancelled C3=open F1=open F2=cancelled F3=open"


def test_row_15_an_ordinary_prescription_is_dispensed_once(story: Scenario) -> None:
    plain = visit(CLINIC, PERSON, MORNING)
    story.send(plain)
    assert story.send(dispensing(PHARMACY, plain, NOON, "A")) == ""
    assert story.send(dispensing(PHARMACY, plain, NOON, "A", M44="1")) == ""  # a correction
    assert story.send(dispensing(OTHER_PHARMACY, plain, NOON + 1, "A")) == "1 M16:Z013"
    assert story.refills(plain) == "A1=dispensed A2=dispensed"


def test_row_15_a_kind_that_was_not_prescribed(story: Scenario) -> None:
    plain = visit(CLINIC, PERSON, MORNING)
    story.send(plain)
    assert story.send(dispensing(PHARMACY, plain, NOON, "AB")) == "1 M16:Z013"


def test_row_15_of_an_unknown_prescription(story: Scenario) -> None:
    plain = visit(CLINIC, PERSON, MORNING)
    assert story.send(dispensing(PHARMACY, plain, NOON, "A")) == "1 M16:D049"
    assert story.send(dispensing(PHARMACY, plain, NOON + 1, "A")) == "1 M16:D049; 1 M16:Z013"
    assert story.send(plain) == ""


def test_row_15_there_is_no_ninth_place(story: Scenario) -> None:
    plain = visit(CLINIC, PERSON, MORNING)
    sent = [dispensing(PHARMACY, plain, NOON + n, "A") for n in range(10)]
    story.send_each(plain, *sent)
    assert len(story.refills(plain).split()) == 8
    story.send(sent[2].as_format("D"))
    assert "A3" not in story.refills(plain)
    story.send(sent[9].but(M44="1"))
    assert "A3=dispensed" in story.refills(plain)


def test_row_19_a_prescription_dispensed_elsewhere_stays(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    first = leg("1")
    story.send(first)
    assert story.send(PRESCRIPTION.as_format("D")) == "1 H01:D039"
    story.send(first.as_format("D"))
    assert story.send(PRESCRIPTION.as_format("D")) == ""
    assert story.refills(PRESCRIPTION) == ""


def test_row_19_is_not_for_what_the_prescriber_dispensed(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    at_home = leg("1", CLINIC)
    story.send(at_home)
    assert story.send(PRESCRIPTION.as_format("D")) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed"  # without issuer now
    assert story.send(PRESCRIPTION) == ""
    assert story.refills(PRESCRIPTION) == "C1=dispensed C2=open C3=open"


def test_row_19_of_an_ordinary_kind(story: Scenario) -> None:
    plain = visit(CLINIC, PERSON, MORNING)
    story.send(plain)
    story.send(dispensing(PHARMACY, plain, NOON, "A"))
    assert story.send(plain.as_format("D")) == "1 H01:D039"


def test_row_20_a_dispensing_from_which_others_went_on_stays(story: Scenario) -> None:
    first, second = leg("1"), leg("2", OTHER_PHARMACY, 1)
    story.send(PRESCRIPTION)
    story.send_each(first, second)
    assert story.send(first.as_format("D")) == "1 H01:D035"
    assert story.send(second.as_format("D")) == ""
    assert story.send(first.as_format("D")) == ""


def test_row_20_of_a_controlled_refill(story: Scenario) -> None:
    of = refill(CLINIC, PERSON, MORNING, 0, 3)
    first = dispensing(PHARMACY, of, NOON, controlled="1")
    story.send(of)
    story.send_each(first, dispensing(OTHER_PHARMACY, of, NOON + 1, controlled="2"))
    assert story.send(first.as_format("D")) == "1 H01:D035"


def test_row_20_a_later_refill_of_ones_own_is_no_matter(story: Scenario) -> None:
    first, second = leg("1"), leg("2", PHARMACY, 1)
    story.send(PRESCRIPTION)
    story.send_each(first, second)
    assert story.send(first.as_format("D")) == ""


def test_row_20_a_later_refill_that_was_cancelled(story: Scenario) -> None:
    first = leg("1")
    story.send(PRESCRIPTION)
    story.send(first)
    story.send(PRESCRIPTION.as_format("C"))
    assert story.send(first.as_format("D")) == "1 H01:D035"
    story.send(PRESCRIPTION.as_format("E"))
    assert story.send(first.as_format("D")) == ""


def test_row_20_cancelled_by_oneself_is_no_matter(story: Scenario) -> None:
    first = leg("1", CLINIC)
    story.send(PRESCRIPTION)
    story.send(first)
    story.send(PRESCRIPTION.as_format("C"))
    assert story.send(first.as_format("D")) == ""


def test_row_20_is_of_dispensings_not_of_a_prescription_with_a_refill_of_its_own(
    story: Scenario,
) -> None:
    here = refill(CLINIC, PERSON, MORNING, 3, legs="1")
    story.send(here)
    story.send(leg("2"))
    assert story.send(here.as_format("D")) == "1 H01:D039"


def test_row_21_nothing_is_open(story: Scenario) -> None:
    story.send_each(PRESCRIPTION, leg("123"))
    assert story.send(PRESCRIPTION.as_format("C")) == "1 H01:D034"


def test_row_21_cancelled_already(story: Scenario) -> None:
    story.send(PRESCRIPTION, PRESCRIPTION.as_format("C"))
    assert story.send(PRESCRIPTION.as_format("C")) == "1 H01:D034"


def test_row_22_nothing_is_cancelled(story: Scenario) -> None:
    story.send(PRESCRIPTION)
    assert story.send(PRESCRIPTION.as_format("E")) == "1 H01:D038"
    story.send(PRESCRIPTION.as_format("C"))
    assert story.send(PRESCRIPTION.as_format("E")) == ""
    assert story.send(PRESCRIPTION.as_format("E")) == "1 H01:D038"


def test_cancel_and_undo_concern_both_kinds(story: Scenario) -> None:
    both = refill(CLINIC, PERSON, MORNING, 3, 2)
    story.send(both)
    story.send(both.as_format("C").but(M26="3", M21="84"))
    assert story.refills(both) == "C1=open C2=cancelled C3=cancelled F1=open F2=cancelled"
    story.send(both.as_format("E"))
    assert story.refills(both) == "C1=open C2=open C3=open F1=open F2=open"


def test_a_delete_forgets_what_was_cancelled(story: Scenario) -> None:
    both = refill(CLINIC, PERSON, MORNING, 3, 2)
    story.send(both, both.as_format("C"), both.as_format("D"))
    story.send(both)
    assert story.refills(both) == "C1=open C2=open C3=open F1=open F2=open"


def test_a_visit_under_a_special_code_dispenses_but_issues_nothing(story: Scenario) -> None:
    story.at("2024-08-21T21:00:00")
    at = moment("2024-08-20T09:30:00")
    of = refill(CLINIC, PERSON, at, 3)
    story.send(of, special(refill(CLINIC, PERSON, at + 1, 3), SPECIAL))
    assert story.send(special(dispensing(PHARMACY, of, at + 60, chronic="1"), SPECIAL)) == ""
    assert story.refills(of) == "C1=dispensed C2=open C3=open"
    assert story.send(dispensing(PHARMACY, of, at + 61, chronic="1")) == "1 M33:D022"

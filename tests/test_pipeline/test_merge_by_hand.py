"""Visits over time, row by row of docs/MERGE.md: each as a story that a store must agree with.

``send`` gives what the merge finds in an upload: record, field and code, and what stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenario import Scenario
from visit_records import (
    CLINIC,
    HOSPITAL,
    OTHER_CLINIC,
    PERSON,
    PHARMACY,
    SOMEBODY_ELSE,
    SPECIAL,
    TYPHOON,
    dispensing,
    follow_up,
    moment,
    prescribing,
    refill,
    special,
    visit,
)

MORNING = moment("2025-12-20T09:30:00")
NOON = moment("2025-12-20T12:00:00")
NEXT_DAY = moment("2025-12-21T09:30:00")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Scenario]:
    """A story; when it is told, the real run must come to the same tables."""
    story = Scenario()
    yield story
    story.assert_a_store_agrees(tmp_path)


@pytest.fixture
def precheck(tmp_path: Path) -> Iterator[Scenario]:
    """The same of pre-checked uploads."""
    story = Scenario(precheck=True)
    yield story
    story.assert_a_store_agrees(tmp_path)


def test_the_last_upload_wins(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    assert story.send_each(sent, sent.but(M44="111"), sent.but(M44="222")) == ["", "", ""]
    assert story.replay.live[sent.id].fields["M44"] == "222"


def test_the_last_record_of_an_upload_wins(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    assert story.send(sent.but(M44="111"), sent.as_format("D"), sent.but(M44="222")) == ""
    assert story.replay.live[sent.id].record == 3


def test_row_1_a_key_belongs_to_the_institution_that_has_it(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    story.send(sent)
    assert story.send(sent.but(M05=HOSPITAL)) == "1 M15:D086"
    story.send(sent.as_format("D"))
    assert story.send(sent.but(M05=HOSPITAL)) == ""


def test_row_1_stands_alone(story: Scenario) -> None:
    """Neither the moment of the visit nor an unknown original is told beside it."""
    origin = visit(CLINIC, PERSON, MORNING)
    sent = follow_up(CLINIC, origin, NOON)
    story.send(sent.but(M16=None, M17=None, M18=None, M19=None, M07="01", M13="0005"))
    assert story.send(sent.but(M05=HOSPITAL)) == "1 M15:D086"


def test_row_2_the_window_ends_with_the_month_after_the_visit(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    story.send(sent)
    story.at("2026-01-31T23:59:59")
    assert story.send(sent.but(M44="111")) == ""
    story.at("2026-02-01T00:00:00")
    assert story.send(sent.but(M44="222")) == "1 M11:BH; 1 stands 0001.xml/1"
    assert story.send(sent.as_format("D")) == ""  # a delete has no window
    assert story.send(sent.but(M44="333")) == ""  # nor has what is no correction


def test_row_2_the_window_is_that_of_the_version_before(story: Scenario) -> None:
    """A new contract (G000) may name another moment than its id: a later month opens nothing."""
    taken = visit(CLINIC, PERSON, moment("2025-11-30T23:50:00")).id
    first, later = (
        visit(CLINIC, PERSON, moment(at), M15=taken).as_abnormal("G000")
        for at in ("2025-11-30T23:55:00", "2025-12-01T00:05:00")
    )
    assert story.send(first) == ""
    story.at("2026-01-01T00:00:00")
    assert story.send(later) == "1 M11:BH; 1 stands 0000.xml/1"


def test_row_2_a_correction_cant_come_late_by_naming_another_institution(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    story.send(sent)
    story.at("2026-02-01T00:00:00")
    assert story.send(sent.but(M05=HOSPITAL)) == "1 M15:D086"


def test_row_3_nobody_is_at_two_places_in_one_second(story: Scenario) -> None:
    story.send(visit(CLINIC, PERSON, MORNING))
    assert story.send(visit(HOSPITAL, PERSON, MORNING)) == "1 M03:22"
    assert story.send(visit(HOSPITAL, PERSON, MORNING + 1)) == ""
    assert story.send(visit(HOSPITAL, SOMEBODY_ELSE, MORNING)) == ""
    assert story.send(visit(HOSPITAL, PERSON, MORNING, H00="2")) == ""  # no NHI visit


def test_row_3_is_broken_by_a_vaccination_elsewhere_too(story: Scenario) -> None:
    story.send(visit(HOSPITAL, PERSON, MORNING, H00="2"))
    assert story.send(visit(CLINIC, PERSON, MORNING)) == "1 M03:22"


def test_row_3_knows_persons_and_moments_under_special_codes(story: Scenario) -> None:
    story.at("2024-08-21T21:00:00")
    at = moment("2024-08-20T09:30:00")
    story.send(visit(CLINIC, PERSON, at))
    elsewhere = special(visit(HOSPITAL, PERSON, at), SPECIAL)
    assert story.send(elsewhere) == "1 M03:22"
    story.send(visit(CLINIC, PERSON, at).as_format("D"))
    assert story.send(elsewhere) == ""
    assert story.send(visit(CLINIC, PERSON, at)) == "1 M03:22"


def test_row_3_the_second_is_that_of_the_treatment_id(story: Scenario) -> None:
    """A new contract (G000) may have taken its id at another second than its visit."""
    taken = visit(CLINIC, PERSON, MORNING)
    story.send(visit(CLINIC, PERSON, NOON, M15=taken.id).as_abnormal("G000"))
    assert story.send(visit(HOSPITAL, PERSON, MORNING)) == "1 M03:22"
    assert story.send(visit(HOSPITAL, PERSON, NOON)) == ""


def test_rows_4_and_5_an_original_that_isnt_there(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    assert story.send(follow_up(HOSPITAL, origin, NOON)) == "1 M16:D049"
    assert story.send(follow_up(CLINIC, origin, NOON + 60)) == "1 M16:D051"
    story.send(origin)
    assert story.send(follow_up(HOSPITAL, origin, NOON)) == ""
    assert story.send(follow_up(CLINIC, origin, NOON + 60)) == ""


def test_rows_4_and_5_an_original_of_another_institution(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    story.send(origin)
    assert story.send(follow_up(HOSPITAL, origin, NOON, M17=OTHER_CLINIC)) == "1 M16:D049"
    assert story.send(follow_up(HOSPITAL, origin, NOON, M17=HOSPITAL)) == "1 M16:D051"


def test_rows_6_and_7_an_original_of_a_type_that_is_none(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    course = follow_up(CLINIC, origin, NOON)
    story.send(origin, course)
    assert story.send(follow_up(HOSPITAL, course, NOON + 60)) == "1 M16:D050"
    assert story.send(follow_up(CLINIC, course, NOON + 120)) == "1 M16:D052"


def test_row_8_the_sequence_of_the_original(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    story.send(origin)
    assert story.send(follow_up(CLINIC, origin, NOON, M18="0099")) == "1 M18:D032"
    assert story.send(follow_up(CLINIC, origin, NOON, M18=None)) == ""


def test_row_8_an_original_without_sequence_has_no_sequence(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING, M07="BE", M13=None, M56=None)
    assert story.send(origin) == ""
    assert story.send(follow_up(CLINIC, origin, NOON, M18="0004")) == "1 M18:D032"


def test_row_9_a_second_visit_has_a_first_of_the_same_doctor(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    story.send(origin)
    second = follow_up(CLINIC, origin, NOON, "AI")
    assert story.send(second) == ""
    assert story.send(second.but(M06="D199966564")) == "1 M07:D037; 1 stands 0001.xml/1"


def test_rows_7_8_and_9_are_all_told(story: Scenario) -> None:
    origin = visit(CLINIC, PERSON, MORNING)
    course = follow_up(CLINIC, origin, NOON)
    story.send(origin, course)
    wrong = follow_up(CLINIC, course, NOON + 60, "AI", M18="0099", M06="D199966564")
    assert story.send(wrong) == "1 M16:D052; 1 M18:D032; 1 M07:D037"


def test_special_originals_are_not_looked_up(story: Scenario) -> None:
    origin = special(visit(CLINIC, PERSON, MORNING), TYPHOON)
    assert story.send(follow_up(HOSPITAL, origin, NOON, M18="C001")) == ""


def test_a_record_is_no_original_of_itself(story: Scenario) -> None:
    here = visit(CLINIC, PERSON, NOON)
    sent = follow_up(CLINIC, here, NOON, M18=None, M19="1141220000000")
    assert sent.id == sent.fields["M16"]
    assert story.send(sent) == "1 M16:D051"
    assert story.send(sent.but(M44="111")) == "1 M16:D051"


def test_special_codes_are_kept_apart_by_institution_person_and_moment(story: Scenario) -> None:
    story.at("2024-08-21T21:00:00")
    at = moment("2024-08-20T09:30:00")
    one = special(visit(CLINIC, PERSON, at), SPECIAL)
    two = special(visit(CLINIC, PERSON, at + 1), SPECIAL)
    story.send(one, two, special(visit(CLINIC, SOMEBODY_ELSE, at), SPECIAL), one.but(M44="111"))
    assert len(story.replay.live) == 3
    assert story.send(two.as_format("D")) == ""
    assert story.send(two.as_format("D")) == "1 H01:D001"


def test_rows_16_and_17_only_ones_own_live_visits_can_be_deleted(story: Scenario) -> None:
    sent = visit(CLINIC, PERSON, MORNING)
    assert story.send(sent.as_format("D")) == "1 H01:D001"
    story.send(sent)
    assert story.send(sent.as_format("D").but(M05=HOSPITAL)) == "1 H01:D001"
    rows = [f.row for a in story.replay.answers for f in a.findings if f.row]
    assert rows == [16, 17]
    assert story.send(sent.as_format("D")) == ""
    assert story.send(sent.as_format("D")) == "1 H01:D001"


def test_rows_16_to_18_for_cancel_and_undo(story: Scenario) -> None:
    plain, elsewhere = visit(CLINIC, PERSON, MORNING), refill(HOSPITAL, PERSON, NOON, 3)
    story.send(plain)
    story.send(elsewhere)
    for letter in "CE":
        assert story.send(plain.as_format(letter)) == "1 H01:D001"  # no refill prescription
        assert story.send(elsewhere.as_format(letter).but(M05=CLINIC)) == "1 H01:D001"
        assert story.send(special(elsewhere, SPECIAL).as_format(letter)) == "1 M15:D074"
    rows = [f.row for a in story.replay.answers for f in a.findings if f.row]
    assert rows == [16, 17, 18] * 2


def test_a_rejected_correction_leaves_what_was_before(story: Scenario) -> None:
    first = visit(CLINIC, PERSON, NOON)
    story.send(visit(CLINIC, SOMEBODY_ELSE, NOON), first)
    assert story.send(first.broken()) == "1 rejected; 1 stands 0000.xml/2"
    assert story.send(first.but(M44="1"), first.broken()) == "2 rejected; 2 stands 0002.xml/1"
    assert story.replay.live[first.id].fields["M44"] == "1"


def test_what_stands_is_told_of_own_corrections_with_a_real_id_only(story: Scenario) -> None:
    first = visit(CLINIC, PERSON, NOON)
    story.send(first)
    assert story.send(first.but(M05=HOSPITAL).broken()) == "1 rejected"
    assert story.send(first.as_format("D").but(M07=None)) == "1 rejected"
    assert story.send(first.as_format("D"), first.broken()) == "2 rejected"
    unknown = special(visit(CLINIC, PERSON, MORNING), TYPHOON)
    story.send(unknown)
    assert story.send(unknown.broken()) == "1 rejected"


def test_what_stands_is_the_senders_whatever_the_record_says_of_itself(story: Scenario) -> None:
    here, elsewhere = visit(CLINIC, PERSON, NOON), visit(HOSPITAL, PERSON, MORNING)
    story.send_each(here, elsewhere)
    sent = story.send(here, here.but(M05=HOSPITAL), elsewhere, mixed=True)
    assert sent == "2 rejected; 2 stands 0002.xml/1; 3 rejected"


def test_special_codes_of_other_senders_are_never_mixed_up(story: Scenario) -> None:
    here = special(visit(CLINIC, PERSON, MORNING), TYPHOON)
    story.send(here)
    assert story.send(visit(HOSPITAL, PERSON, NOON), here.as_format("D"), mixed=True) == (
        "2 rejected"
    )
    assert len(story.replay.live) == 2


@pytest.mark.parametrize(
    ("live", "deletes", "held"),
    [(70, 21, True), (71, 21, False), (60, 20, False), (21, 21, True), (80, 24, True)],
)
def test_mass_deletes_are_held(story: Scenario, live: int, deletes: int, held: bool) -> None:
    """More than 20, and 30 % or more of the month."""
    sent = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(live)]
    story.send(*sent, visit(HOSPITAL, PERSON, moment("2025-11-20T10:00:00")))
    story.send(visit(CLINIC, PERSON, NOON))
    gone = [one.as_format("D") for one in sent[:deletes]]
    assert story.send(*gone, gone[0], sent[-1].broken()).endswith("held") == held
    assert len(story.replay.live) == live + 2 - (0 if held else deletes)
    assert story.send(sent[0].but(M44="111")) == ""


def test_a_mass_delete_counts_what_was_live_at_its_own_institution(story: Scenario) -> None:
    sent = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]
    assert story.send(*sent, *(one.as_format("D") for one in sent)) == ""  # not live before
    story.send(*sent)
    twice = [one.as_format("D") for one in sent[:12] * 2]
    assert not story.send(*twice).endswith("held")
    elsewhere = [one.as_format("D").but(M05=CLINIC) for one in sent]
    assert not story.send(*elsewhere).endswith("held")


def test_a_precheck_doesnt_tell_what_may_only_be_missing(precheck: Scenario) -> None:
    prescription = refill(CLINIC, PERSON, MORNING, 3)
    assert precheck.send(follow_up(HOSPITAL, prescription, NOON)) == ""
    assert precheck.send(follow_up(CLINIC, prescription, NOON + 60)) == ""
    assert precheck.send(dispensing(PHARMACY, prescription, NOON + 120, chronic="2")) == ""
    for letter in "DCE":
        assert precheck.send(prescription.as_format(letter)) == ""
    assert [action for action, _ in precheck.replay.history] == ["put"] * 3
    assert precheck.send(prescription.but(M26="3", M44="5")) == ""
    assert precheck.send(prescription.as_format("C")) == ""
    assert precheck.send(prescription.as_format("C")) == "1 H01:D034"


def test_a_precheck_is_never_held_and_has_a_window(precheck: Scenario) -> None:
    sent = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]
    precheck.send(*sent)
    assert precheck.send(*(one.as_format("D") for one in sent[1:])) == ""
    precheck.at("2026-02-01T00:00:00")
    assert precheck.send(sent[0]) == "1 M11:BH; 1 stands 0000.xml/1"


def test_visits_of_other_kinds_issue_nothing(story: Scenario) -> None:
    sent = prescribing(CLINIC, PERSON, MORNING, "AB", H00="2")
    story.send(sent)
    assert story.send(dispensing(PHARMACY, sent, NEXT_DAY, "A")) == "1 M16:Z013"

"""The desk: what it says of uploads, from memory and from the tables alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from desk_rooms import (
    AUDITOR,
    INSURER,
    LAST_NIGHT,
    OF_X,
    OF_Y,
    Room,
    X,
    Y,
    open_room,
)
from senders import EVENING, payload
from visit_records import PERSON, SOMEBODY_ELSE, Record, prescribing, upload, visit

from pipeline import batches
from pipeline.desk.errors import NotThereError, SpecialCodeError
from pipeline.intake.sender import Sender
from pipeline.report.verdict_json import verdict_json

TODAY = EVENING.date()
GOOD, BAD = visit(X, PERSON, LAST_NIGHT), visit(X, PERSON, LAST_NIGHT + 60).broken()
V1 = [path.read_bytes() for path in sorted(
    (Path(__file__).parents[1] / "fixtures" / "samples_v1").glob("*.xml")
)]  # fmt: skip
SENT = [upload([GOOD, BAD]), upload([GOOD])[:-20], b"", *V1]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        yield room


def many_deletes(room: Room) -> str:
    """An upload that is held: it would delete all 30 visits of X."""
    visits = [visit(X, SOMEBODY_ELSE, LAST_NIGHT + 60 * n) for n in range(30)]
    room.send(X, *visits)
    return room.send(X, *(one.as_format("D") for one in visits))


@pytest.mark.parametrize("data", SENT, ids=lambda data: f"{len(data)} bytes")
def test_an_answer_is_the_same_before_and_after_the_commit(room: Room, data: bytes) -> None:
    upload_id = room.send_bytes(X, data)
    told = room.desk.receipt(OF_X, upload_id)
    room.commit()
    stored = room.desk.receipt(OF_X, upload_id)
    assert room.service.outcomes.state(upload_id) is None
    assert told.answer is not None
    assert stored.answer is not None
    assert verdict_json(told.answer, records=True) == verdict_json(stored.answer, records=True)
    assert told.row == stored.row
    assert told.state == stored.state == told.answer.status


def test_downloads_end_and_can_be_asked_for_again(room: Room) -> None:
    upload_id = room.send(X, BAD)
    room.clock.forward(days=13, hours=23)
    receipt = room.desk.receipt(OF_X, upload_id)
    assert (receipt.ends_at, receipt.ended) == (EVENING + timedelta(days=14), False)
    room.clock.forward(hours=1)
    assert room.desk.receipt(OF_X, upload_id).ended
    until = room.desk.reopen(OF_X, upload_id)
    assert until == room.clock.now + timedelta(days=14)
    receipt = room.desk.receipt(OF_X, upload_id)
    assert (receipt.ends_at, receipt.ended) == (until, False)
    room.clock.forward(days=14)
    assert room.desk.receipt(OF_X, upload_id).ended
    (row,) = room.desk.results(OF_X, X, TODAY, TODAY).uploads
    assert (row["ended"], row["ends_at"]) == (True, until)


@pytest.mark.parametrize("committed", [False, True])
def test_results_are_counted_paged_and_filtered(room: Room, committed: bool) -> None:
    sent = []
    for n in range(7):
        room.clock.forward(minutes=1)
        sent.append(room.send(X, GOOD, BAD, mode="precheck" if n % 3 == 0 else "official"))
    if committed:
        room.commit()
    room.clock.forward(minutes=1)
    sent.append(room.send_bytes(X, b"nothing"))
    room.send(Y, visit(Y, PERSON, LAST_NIGHT + 600))
    sent.reverse()
    found, cursor = [], None
    while True:
        page = room.desk.results(OF_X, X, TODAY, TODAY, limit=3, after=cursor)
        assert (page.total, page.sums["records"], page.sums["records_rejected"]) == (8, 14, 7)
        found += page.uploads
        cursor = page.cursor
        if cursor is None:
            break
    assert [row["upload_id"] for row in found] == sent
    assert [row["number"] for row in found] == list(range(1, 9))
    assert found[0]["status"] == "refused"
    assert found[1]["codes"] == "AH01×1"
    prechecks = room.desk.results(OF_X, X, TODAY, TODAY, mode="precheck")
    assert [row["mode"] for row in prechecks.uploads] == ["precheck"] * 3
    assert room.desk.results(OF_X, X, TODAY, TODAY, status="refused").total == 1
    assert page.promptness.taken == 4


def test_an_empty_list_says_when_something_was_sent_last(room: Room) -> None:
    later = TODAY + timedelta(days=3)
    assert room.desk.results(OF_X, X, later, later).last_day is None
    room.send(X, GOOD)
    for _ in range(2):
        page = room.desk.results(OF_X, X, later, later)
        assert (page.total, page.last_day) == (0, TODAY)
        room.commit()


def test_a_cursor_of_nobody_is_wrong(room: Room) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        room.desk.results(OF_X, X, TODAY, TODAY, after="x")


def test_a_held_upload_is_released(room: Room) -> None:
    upload_id = many_deletes(room)
    assert room.desk.receipt(OF_X, upload_id).state == "held"
    assert room.desk.held(INSURER) == []  # the tables don't have it yet
    assert room.desk.decide_held(INSURER, upload_id, "release") == "held"
    assert room.desk.decide_held(INSURER, upload_id, "drop") == "done"
    receipt = room.desk.receipt(OF_X, upload_id)
    assert receipt.answer is not None
    assert (receipt.state, receipt.answer.status) == ("done", "done")


def test_held_uploads_are_listed_until_dropped(room: Room) -> None:
    upload_id = many_deletes(room)
    room.commit()
    (held,) = room.desk.held(AUDITOR)
    assert (held.upload["upload_id"], held.decisions[0]["deletes"]) == (upload_id, 30)
    for who in (AUDITOR, OF_X):
        with pytest.raises(NotThereError):
            room.desk.decide_held(who, upload_id, "drop")
    assert room.desk.decide_held(INSURER, upload_id, "drop") == "held"
    assert room.desk.held(INSURER) == []
    assert room.desk.receipt(OF_X, upload_id).state == "dropped"


def test_a_trial_is_the_check_alone(room: Room) -> None:
    room.send(X, GOOD)
    answer = room.desk.trial(OF_X, payload(upload([GOOD, BAD])), X, "official")
    assert (answer.counts.records_accepted, answer.counts.records_rejected) == (1, 1)
    assert answer.envelope.received_at == EVENING
    assert ("state/not-own-record", "state") in answer.not_checked
    assert room.desk.results(OF_X, X, TODAY, TODAY).total == 1
    v1 = room.desk.trial(OF_X, payload(V1[0]), X, "official")
    assert v1.plan.layout != answer.plan.layout
    prechecked = room.desk.trial(OF_X, payload(V1[0]), X, "precheck")
    assert prechecked.plan is answer.plan


def test_what_we_failed_on_is_told_as_that(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(batches, "process_many", spoiled)
    sender = Sender(X, "web-api", "official", "one.xml")
    ticket = room.service.door.take(payload(upload([GOOD])), sender)
    assert not room.service.outcomes.wait(ticket.upload_id, 60)
    receipt = room.desk.receipt(OF_X, ticket.upload_id)
    assert (receipt.state, receipt.answer, receipt.row["records"]) == ("failed", None, 0)
    page = room.desk.results(OF_X, X, TODAY, TODAY, status="failed")
    assert [row["upload_id"] for row in page.uploads] == [ticket.upload_id]
    assert room.desk.health(INSURER).settling.failed == 1
    for question in (room.desk.record, room.desk.visit_of_record):
        with pytest.raises(NotThereError):
            question(OF_X, ticket.upload_id, 1)


def versions(room: Room, record: Record) -> list[str]:
    return [v.outcome for v in room.desk.visit(OF_X, X, record.id).versions]


def test_the_history_of_a_visit(room: Room) -> None:
    first = room.send(X, GOOD)
    room.send(X, GOOD.broken())
    room.send(X, GOOD.as_format("D"))
    room.commit()
    assert versions(room, GOOD) == ["put", "rejected", "delete"]
    assert room.desk.visit_of_record(OF_X, first, 1).visit.treatment_id == GOOD.id
    assert len(room.desk.visit(INSURER, None, GOOD.id).versions) == 3
    for wrong in ("", "x" * 20, "A" * 20, GOOD.id[:-1]):
        with pytest.raises(NotThereError):
            room.desk.visit(OF_X, X, wrong)
    with pytest.raises(NotThereError):
        room.desk.visit(OF_X, None, GOOD.id)


def test_a_special_code_alone_may_name_several_visits(room: Room) -> None:
    code = "C0010000000000000000"
    pair = [prescribing(X, person, LAST_NIGHT).as_abnormal("C001").but(M15=code)
            for person in (PERSON, SOMEBODY_ELSE)]  # fmt: skip
    room.send(X, pair[0])
    room.commit()
    assert versions(room, pair[0]) == ["put"]
    room.send(X, pair[1])
    room.commit()
    with pytest.raises(SpecialCodeError):
        room.desk.visit(OF_X, X, code)


@pytest.mark.parametrize("committed", [False, True])
def test_the_insurer_looks_things_up(room: Room, committed: bool) -> None:
    of_x = [room.send(X, GOOD, BAD), room.send(X, BAD)]
    of_y = room.send(Y, visit(Y, PERSON, LAST_NIGHT + 600))
    if committed:
        room.commit()
    all_of_them = room.desk.institutions(INSURER, order="uploads")
    assert [(one.institution, one.uploads) for one in all_of_them.rows] == [(X, 2), (Y, 1)]
    assert all_of_them.rows[0].rejected_share == pytest.approx(2 / 3)
    assert room.desk.institutions(INSURER, Y[:4]).total == 1
    digest = room.desk.receipt(INSURER, of_y).row["sha256"]
    assert [row["upload_id"] for row in room.desk.search(INSURER, digest[:8].upper()).uploads] == [
        of_y
    ]
    assert room.desk.search(INSURER, digest[:7]).uploads == ()
    assert room.desk.search(INSURER, f" {of_y.lower()} ").uploads[0]["upload_id"] == of_y
    assert room.desk.search(INSURER, X[:5]).institutions == (X,)
    today = room.desk.day(INSURER)
    assert (today.uploads, today.institutions, today.records_rejected) == (3, 2, 2)
    assert room.desk.day(INSURER, date(2025, 12, 1)).uploads == 0
    if committed:
        (found,) = room.desk.search(INSURER, GOOD.id).uploads
        assert found["upload_id"] == of_x[0]


def test_health_is_told(room: Room) -> None:
    health = room.desk.health(INSURER)
    assert health.settling.alive
    assert health.committed_at is None
    room.send(X, GOOD)
    room.commit()
    assert room.desk.health(AUDITOR).committed_at is not None
    assert health.plan == room.desk.trial(OF_X, payload(b""), X, "official").plan_hash
    with pytest.raises(NotThereError):
        room.desk.health(OF_Y)

"""Settling: what many threads send comes to what the slow merge says, however it is batched."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from coroutines import run_apart
from histories import history
from senders import (
    PATIENCE,
    Clock,
    not_unpacked,
    payload,
    payload_of,
    send,
    sender,
    service_at,
    standing_still,
    told,
)  # fmt: skip
from visit_records import CLINIC, HOSPITAL, PERSON, moment, visit

from pipeline.held import decide
from pipeline.limits import LIMITS
from pipeline.report.verdict_json import verdict_json
from pipeline.store.kept import KeptTables
from pipeline.store.store import Store
from pipeline.stored import StoredUploads
from rules import load_plan
from tests.oracle.replay import Replay
from tests.oracle.replay_tables import CURRENT, expected, read, stored

MORNING = moment("2025-12-20T09:30:00")
FIXTURES = Path(__file__).parents[1] / "fixtures"


def without_sequences(rows: list[str]) -> list[str]:
    """Rows of one of two histories that share the sequence."""
    return sorted(re.sub(r"\('sequence', \d+\)", "", row) for row in rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("commit_seconds", [600, 0.03], ids=["one commit", "many commits"])
def test_tables_are_those_of_the_slow_merge(
    tmp_path: Path, seed: int, commit_seconds: float
) -> None:
    known, clock, chance = history(seed), Clock(), Random(seed)
    with service_at(tmp_path / "store", clock, commit_seconds=commit_seconds) as service:
        for one in known.sent:
            clock.now = one.received_at
            ticket = send(service, one)
            if chance.random() < 0.2:
                told(service, ticket)
    assert stored(tmp_path / "store") == expected(known.replay)


@pytest.mark.parametrize("commit_seconds", [600, 0.03], ids=["one commit", "many commits"])
def test_a_crowd_comes_to_what_its_order_comes_to(tmp_path: Path, commit_seconds: float) -> None:
    """Many send at once, in no order; then the slow merge in the order of the sequences."""
    sent, clock = {one.name: one for one in history(4, 80).sent}, Clock()
    clock.now = max(one.received_at for one in sent.values())
    with service_at(tmp_path / "store", clock, commit_seconds=commit_seconds) as service:
        with ThreadPoolExecutor(16) as crowd:
            tickets = list(crowd.map(lambda one: send(service, one), sent.values()))
        for ticket in tickets:
            told(service, ticket)
    replay = Replay(False)
    for name in read(tmp_path / "store", "uploads").sort("sequence")["name"]:
        replay.take(name, sent[name].payload, replace(sent[name].envelope, received_at=clock.now))
    assert stored(tmp_path / "store") == expected(replay)


def test_official_uploads_and_pre_checks_do_not_see_each_other(tmp_path: Path) -> None:
    official, precheck = history(1, 40), history(3, 40, precheck=True)
    clock, chance = Clock(), Random(1)
    moded = [(one.received_at, chance.random(), one.mode) for one in official.sent + precheck.sent]
    queues = {"official": iter(official.sent), "precheck": iter(precheck.sent)}
    with service_at(tmp_path / "store", clock, commit_seconds=0.05) as service:
        for received_at, _, mode in sorted(moded):
            clock.now = received_at
            send(service, next(queues[mode]))
    for known, found in (
        (official, stored(tmp_path / "store")),
        (precheck, stored(tmp_path / "store", precheck=True)),
    ):
        wanted = expected(known.replay)
        for name in CURRENT:
            assert without_sequences(found[name]) == without_sequences(wanted[name]), name


def test_what_is_told_is_what_the_tables_say(tmp_path: Path) -> None:
    """Refusals, 1.0, pre-checks, held ones and those that stand included; before any commit."""
    store, clock = tmp_path / "store", Clock()
    samples = sorted((FIXTURES / "samples").glob("*.xml")) + sorted(
        (FIXTURES / "samples_v1").glob("*.xml")
    )
    crowd = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]
    with service_at(store, clock, commit_seconds=600) as service:
        take = service.door.take
        tickets = [take(payload(path.read_bytes(), path.name), sender()) for path in samples]
        tickets += [
            take(payload(path.read_bytes()), sender(mode="precheck")) for path in samples[::4]
        ]
        tickets += [take(payload_of(*crowd), sender(HOSPITAL))]
        tickets += [take(payload_of(*(v.as_format("D") for v in crowd)), sender(HOSPITAL))]
        tickets += [take(payload_of(crowd[0].but(M44=None)), sender(HOSPITAL))]
        tickets += [take(payload(b"<RECS><REC>"), sender()), take(not_unpacked("a.zip"), sender())]
        answers = {ticket.upload_id: told(service, ticket) for ticket in tickets}
        assert len(service.outcomes.rows()) == len(tickets)
        rows = {row["upload_id"]: row for row in service.outcomes.rows()}
    assert {answer.status for answer in answers.values()} == {"done", "refused", "held"}
    assert any(finding.stands for one in answers.values() for finding in one.findings)
    uploads = StoredUploads(KeptTables(str(store)), LIMITS)
    for upload_id, answer in answers.items():
        there = uploads.answer(uploads.row(upload_id))
        if answer.refusal and not answer.size:
            assert there.refusal
            assert there.refusal.code == answer.refusal.code
        else:
            assert verdict_json(there, records=True) == verdict_json(answer, records=True)
        assert dict(uploads.row(upload_id)) == rows[upload_id]


def test_outcomes_are_in_memory_until_the_tables_have_them(tmp_path: Path) -> None:
    with service_at(tmp_path / "store", commit_seconds=600) as service:
        outcomes = service.outcomes
        with standing_still(service):
            ticket = service.door.take(payload_of(visit(CLINIC, PERSON, MORNING)), sender())
            assert outcomes.state(ticket.upload_id) == "waiting"
            assert outcomes.institution(ticket.upload_id) == CLINIC
            assert [one["upload_id"] for one in outcomes.waiting()] == [ticket.upload_id]
            assert service.settling.health().waiting == 1
            assert not outcomes.wait(ticket.upload_id, 0.01)
        told(service, ticket)
        assert outcomes.waiting() == []
        assert [row["upload_id"] for row in outcomes.rows()] == [ticket.upload_id]
        count = service.settling.ask(lambda store: _stored_uploads(store)).result(PATIENCE)
        assert count == 1
        assert outcomes.rows() == []
        assert outcomes.state(ticket.upload_id) is None
        assert outcomes.state("0" * 26) is None
        assert not outcomes.wait("0" * 26, PATIENCE)


def test_coroutines_wait_as_threads_do(tmp_path: Path) -> None:
    async def ask() -> list[bool]:
        both = (service.outcomes.told(ticket.upload_id, seconds) for seconds in (0.01, PATIENCE))
        return await asyncio.gather(*both)

    with service_at(tmp_path / "store") as service:
        sent = payload_of(*(visit(CLINIC, PERSON, MORNING + n) for n in range(5)))
        ticket = service.door.take(sent, sender())
        assert run_apart(ask())[1]
        assert service.outcomes.state(ticket.upload_id) == "told"


def test_a_question_that_fails_changes_nothing(tmp_path: Path) -> None:
    known, clock = history(0, 20), Clock()
    clock.now = known.sent[0].received_at
    with service_at(tmp_path / "store", clock, commit_seconds=600) as service:
        for number, one in enumerate(known.sent):
            clock.now = one.received_at
            send(service, one)
            if number % 7 == 3:
                with pytest.raises(ZeroDivisionError):
                    service.settling.ask(_stage_and_fail).result(PATIENCE)
        health = service.settling.health()
        assert (health.alive, health.fault, health.failed) == (True, None, 0)
    assert stored(tmp_path / "store") == expected(known.replay)


def test_a_held_upload_is_decided_between_batches(tmp_path: Path) -> None:
    store = tmp_path / "store"
    crowd = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]
    with service_at(store, commit_seconds=600) as service:
        service.door.take(payload_of(*crowd), sender(HOSPITAL))
        deletes = payload_of(*(one.as_format("D") for one in crowd))
        ticket = service.door.take(deletes, sender(HOSPITAL))
        assert told(service, ticket).status == "held"
        before = service.settling.ask(
            lambda open: decide(open, str(store), [ticket.upload_id], "release", load_plan())
        )
        later = service.door.take(payload_of(crowd[0].but(M44="111")), sender(HOSPITAL))
        assert before.result(PATIENCE) == {ticket.upload_id: "held"}
        assert service.outcomes.answer(ticket.upload_id) is None  # the tables tell
        assert told(service, later).counts.records_accepted == 1
    uploads = StoredUploads(KeptTables(str(store)), LIMITS)
    assert uploads.row(ticket.upload_id)["status"] == "done"
    assert len(stored(store)["visits"]) == 1


def _stored_uploads(store: Store) -> int:
    import pyarrow.compute as pc

    return int(store.read("uploads", pc.field("sequence") > 0).num_rows)


def _stage_and_fail(store: Store) -> None:
    store.next_sequence()
    store.track("official").state.put({b"key": b"value"}, {}, {(b"live"): 5})
    raise ZeroDivisionError

"""Faults of ours, and what a killed service leaves: nothing is lost, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from histories import history
from scenario import Sending
from senders import EVENING, PATIENCE, Clock, payload_of, send, sender, service_at, told
from visit_records import CLINIC, PERSON, moment, visit

from pipeline import batches, settle
from pipeline.core import Processed
from pipeline.ingest.unpack import Payload
from pipeline.intake.log import IntakeLog, intake_path
from pipeline.intake.recovery import open_settled
from pipeline.intake.service import Service
from pipeline.intake.taken import Taken
from pipeline.run import RunOptions, run
from pipeline.store.archive import compress
from pipeline.store.layout import layout_of
from pipeline.store.store import open_store
from pipeline.upload_ids import new_upload_id
from rules import load_plan
from tests.oracle.replay import Replay
from tests.oracle.replay_tables import expected, stored

MORNING = moment("2025-12-20T09:30:00")
CULPRIT = "0004.xml"


def spoil_checking(patch: pytest.MonkeyPatch) -> None:
    """Nothing can be checked together with the culprit."""
    real = batches.process_many

    def spoiled(payloads: Any, envelopes: Any, *rest: Any, **more: Any) -> Processed:
        if any(envelope.name == CULPRIT for envelope in envelopes):
            raise ZeroDivisionError
        return real(payloads, envelopes, *rest, **more)

    patch.setattr(batches, "process_many", spoiled)


def spoil_merging(patch: pytest.MonkeyPatch) -> None:
    """Merging anything with the culprit fails half-way, when the state has been changed."""
    real = settle.visit_changes

    def spoiled(uploads: Any, *rest: Any) -> Any:
        if any(one.name == CULPRIT for one in uploads):
            raise ZeroDivisionError
        return real(uploads, *rest)

    patch.setattr(settle, "visit_changes", spoiled)


SPOILERS = [spoil_checking, spoil_merging]


def take_all(service: Service, clock: Clock, sent: tuple[Sending, ...]) -> dict[str, str]:
    """Send a history; gives upload ids by name."""
    ids = {}
    for one in sent:
        clock.now = one.received_at
        ids[one.name] = send(service, one).upload_id
    return ids


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("restarted", ["service", "run"])
def test_an_upload_that_we_fail_on_is_kept_and_others_go_on(
    tmp_path: Path, spoil: Callable[[pytest.MonkeyPatch], None], restarted: str
) -> None:
    store, clock, sent = tmp_path / "store", Clock(), history(2, 24).sent
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch)
        with service_at(store, clock, commit_seconds=600) as service:
            ids = take_all(service, clock, sent)
            for name in ids.keys() - {CULPRIT}:
                assert service.outcomes.wait(ids[name], PATIENCE), name
            assert not service.outcomes.wait(ids[CULPRIT], PATIENCE)
            assert service.outcomes.has_failed(ids[CULPRIT])
            (waits,) = service.outcomes.waiting()
            assert (waits["upload_id"], waits["failed"]) == (ids[CULPRIT], True)
            health = service.settling.health()
            assert (health.alive, health.fault, health.failed) == (True, None, 1)
            assert b"nhi_upload_uploads_failed_total 1.0" in service.exposition()
    culprit = next(one for one in sent if one.name == CULPRIT)
    replay = Replay(False)
    for one in (*(one for one in sent if one is not culprit), culprit):
        replay.take(one.name, one.payload, one.envelope)
    if restarted == "service":
        with service_at(store, clock) as service:
            assert service.outcomes.wait(ids[CULPRIT], PATIENCE)
    else:
        run([], store, load_plan(), RunOptions(received_at=clock.now))
    assert stored(store) == expected(replay)


def test_one_that_fails_again_does_not_stall_a_run(tmp_path: Path) -> None:
    store, clock, sent = tmp_path / "store", Clock(), history(2, 12).sent
    with pytest.MonkeyPatch.context() as patch:
        spoil_merging(patch)
        with service_at(store, clock) as service:
            take_all(service, clock, sent)
        for _ in range(2):
            with open_settled(store, load_plan()):
                pass
        with closing(IntakeLog(intake_path(layout_of(store)))) as log:
            assert [one.sender.name for one in log.failed()] == [CULPRIT]
            assert log.unsettled() == []
    assert len(stored(store)["uploads"]) == len(sent) - 1


def leave_waiting(store: Path, sent: Sequence[Payload], plan: str = "") -> list[str]:
    """What a service leaves that is killed before it settles; gives the upload ids."""
    taken = [
        Taken(number, new_upload_id(EVENING), EVENING, sender(name=one.name), one.sha256,
              len(one.data), plan or load_plan().hash)
        for number, one in enumerate(sent, 1)
    ]  # fmt: skip
    with open_store(store) as opened, closing(IntakeLog(intake_path(layout_of(store)))) as log:
        for one in sent:
            if one.data:
                opened.archive.add(one.sha256, len(one.data), *compress([one.data]))
        opened.archive.sync()
        log.add(taken)
    return [one.upload_id for one in taken]


def visits(count: int) -> list[Payload]:
    return [payload_of(visit(CLINIC, PERSON, MORNING + n), name=f"{n}") for n in range(count)]


def test_uploads_that_were_taken_in_come_before_those_of_a_run(tmp_path: Path) -> None:
    store, said = tmp_path / "store", list[str]()
    *before, late = visits(6)
    ids = leave_waiting(store, before)
    (tmp_path / "late.xml").write_bytes(late.data)
    options = RunOptions(received_at=EVENING)
    run([tmp_path / "late.xml"], store, load_plan(), options, waiting=said.append)
    rows = pl.read_delta(str(store / "tables/uploads")).sort("sequence")
    assert rows["upload_id"].to_list()[:-1] == ids
    assert rows["name"].to_list()[-1] == "late.xml"
    assert [text for text in said if "5 uploads" in text]


def test_other_rules_than_at_the_door_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    (upload_id,) = leave_waiting(store, visits(1), plan="another")
    with caplog.at_level(logging.WARNING), service_at(store) as service:
        assert service.outcomes.wait(upload_id, PATIENCE)
    assert "1 uploads were taken in under other rules" in caplog.text


def test_bytes_that_are_gone_are_our_fault(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (upload_id,) = leave_waiting(store, [Payload("gone", b"", b"\x01" * 32)])
    with service_at(store) as service:
        assert not service.outcomes.wait(upload_id, PATIENCE)
        assert service.outcomes.has_failed(upload_id)
        told(service, service.door.take(visits(1)[0], sender()))

"""The door of a stream, by two services side by side on a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from senders import Clock, not_unpacked, payload_of
from stream.threads import Running, wait_until, wait_until_recorded
from visit_records import CLINIC, OTHER_CLINIC, PERSON, moment, visit

from pipeline.desk.health import health_of
from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import DoorClosedError, KeyReusedError, Sender, Ticket
from pipeline.report.answer import Answer
from pipeline.settings import Settings
from pipeline.store.kept import KeptTables
from pipeline.stored import StoredUploads
from pipeline.stream.broker import BrokerError, Cluster
from pipeline.stream.process import Options, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.stream.service import StreamService, open_stream_service
from tests.kafka.server import Broker, broker

PATIENCE = 180.0
MORNING = moment("2025-12-21T09:30:00")
JOBS = [run_validate, run_merge]
AS_CLINIC = Sender(CLINIC, "web-api", "official")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Options:
    cluster = Cluster(kafka.bootstrap)
    prefix = f"{tmp_path.parent.name}-{tmp_path.name}-"
    return Options(cluster, str(tmp_path / "store"), prefix=prefix, pace=Pace(0.5))


@contextmanager
def service(options: Options) -> Iterator[StreamService]:
    with open_stream_service(
        options.store_uri, Settings(), options.cluster, clock=Clock(), prefix=options.prefix
    ) as opened:
        yield opened


@pytest.fixture
def two(options: Options) -> Iterator[tuple[StreamService, StreamService]]:
    """Two services in front of one stream."""
    with service(options) as first, service(options) as second:
        yield first, second


def some(number: int = 0, *, good: bool = True) -> Payload:
    """An upload of one record, of its own minute."""
    record = visit(CLINIC, PERSON, MORNING + 60 * number)
    return payload_of(record if good else record.broken(), name=f"{number}.xml")


def told(service: StreamService, ticket: Ticket) -> Answer:
    assert service.outcomes.wait(ticket.upload_id, PATIENCE)
    answer = service.outcomes.answer(ticket.upload_id)
    assert answer is not None
    return bare(answer)


def bare(answer: Answer) -> Answer:
    """What can be compared: all but the parsed bytes."""
    return replace(answer, source=None)


def rows(options: Options) -> dict[str, dict[str, Any]]:
    """The committed rows of uploads, by id."""
    table = pl.read_delta(f"{options.store_uri}/tables/uploads")
    return {row["upload_id"]: row for row in table.to_dicts()}


def test_both_know_at_once_and_tell_the_same(
    two: tuple[StreamService, StreamService], options: Options
) -> None:
    first, _ = two
    sent = [some(0), some(1, good=False), not_unpacked("a.zip")]
    tickets = [first.door.take(one, AS_CLINIC) for one in sent]
    for ticket in tickets:
        for here in two:
            waits = here.outcomes.waits(ticket.upload_id)
            assert waits is not None
            assert waits["institution"] == CLINIC
            assert waits["received_at"] == ticket.received_at
    assert [here.settling.health().waiting for here in two] == [3, 3]
    with Running(options, JOBS):
        answers = [[told(here, ticket) for ticket in tickets] for here in two]
        wait_until_recorded(options, 3)
        wait_until(lambda: first.settling.health().waiting == 0, "something still waits")
    assert answers[0] == answers[1]
    assert [len(one.findings) > 0 for one in answers[0]] == [False, True, False]
    assert answers[0][2].refusal is not None
    stored = StoredUploads(KeptTables(options.store_uri), Settings().limits)
    of_tables = dict(stored.answers([one.upload_id for one in tickets]))
    for ticket, answer in zip(tickets[:2], answers[0], strict=False):
        assert bare(of_tables[ticket.upload_id]) == answer
    assert health_of(KeptTables(options.store_uri), first.settling.health()).committed_at


def test_a_key_is_known_at_every_door(
    two: tuple[StreamService, StreamService], options: Options
) -> None:
    first, second = two
    ticket = first.door.take(some(), AS_CLINIC, "a key")
    again = Ticket(ticket.upload_id, ticket.received_at, again=True)
    assert first.door.take(some(), AS_CLINIC, "a key") == again
    assert second.door.take(some(), AS_CLINIC, "a key") == again
    for door in (first.door, second.door):
        with pytest.raises(KeyReusedError):
            door.take(some(1), AS_CLINIC, "a key")
        with pytest.raises(KeyReusedError):
            door.take(some(), Sender(CLINIC, "web-api", "precheck"), "a key")
    others = second.door.take(some(), Sender(OTHER_CLINIC, "web-api", "official"), "a key")
    assert not others.again
    assert not second.door.take(some(), AS_CLINIC, "another key").again
    assert not second.door.take(some(), AS_CLINIC).again
    with service(options) as third:  # has to read back what was before it
        assert third.door.take(some(), AS_CLINIC, "a key") == again
        with pytest.raises(KeyReusedError):
            third.door.take(some(1), AS_CLINIC, "a key")
    with Running(options, JOBS):
        wait_until_recorded(options, 4)
    taken = rows(options)
    assert len(taken) == 4
    assert {row["redelivery_of"] for row in taken.values()} == {None}


def test_of_many_at_once_one_is_taken(
    two: tuple[StreamService, StreamService], options: Options
) -> None:
    def take(number: int) -> str | None:
        door = two[number % 2].door
        try:
            return door.take(some(number % 3 // 2), AS_CLINIC, f"key {number // 10}").upload_id
        except KeyReusedError:
            return None

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(take, range(60)))
    taken = [set(ids[at : at + 10]) - {None} for at in range(0, 60, 10)]
    assert [len(one) for one in taken] == [1] * 6
    with Running(options, JOBS):
        last = two[0].door.take(some(9), AS_CLINIC)
        assert two[0].outcomes.wait(last.upload_id, PATIENCE)
        wait_until(lambda: last.upload_id in rows(options), "the last is not recorded")
    new = {one for one, row in rows(options).items() if row["redelivery_of"] is None}
    assert new == {str(min(one)) for one in taken} | {last.upload_id}


class Failing:
    """A producer that fails before or after it has delivered."""

    def __init__(self, deliver: Callable[..., int], *, delivers: bool) -> None:
        self._deliver, self._delivers = deliver, delivers

    def deliver(self, *told: Any) -> int:
        if self._delivers:
            self._deliver(*told)
        raise BrokerError("中斷", "cut off")


@pytest.mark.parametrize("delivers", [True, False])
def test_who_got_no_ticket_sends_again_and_is_taken_once(
    two: tuple[StreamService, StreamService], options: Options, delivers: bool
) -> None:
    first, second = two
    producer = first.door._producer
    first.door._producer = Failing(producer.deliver, delivers=delivers)  # type: ignore[assignment]
    with pytest.raises(DoorClosedError):
        first.door.take(some(), AS_CLINIC, "a key")
    assert not first.door.is_open
    ticket = second.door.take(some(), AS_CLINIC, "a key")
    assert ticket.again == delivers
    wait_until(lambda: first.door.is_open, "the door stays shut")
    assert first.door.take(some(), AS_CLINIC, "a key").upload_id == ticket.upload_id
    with Running(options, JOBS):
        assert told(first, ticket).counts.records == 1
        wait_until(lambda: bool(rows(options)), "nothing is recorded")
    assert rows(options).keys() == {ticket.upload_id}


def test_a_service_that_begins_again_knows_what_was_told_and_what_waits(options: Options) -> None:
    seldom = replace(options, pace=Pace(600))
    with ExitStack() as running:
        with service(options) as before:
            running.enter_context(Running(seldom, JOBS))
            tickets = [before.door.take(some(n, good=n % 2 > 0), AS_CLINIC) for n in range(6)]
            answers = [told(before, one) for one in tickets]
        with service(options) as after:
            assert [told(after, one) for one in tickets] == answers
            assert len(after.outcomes.rows()) == 6
        running.close()  # who stops commits what is recorded
        with service(options) as last:
            assert [last.outcomes.state(one.upload_id) for one in tickets] == [None] * 6
            waits = last.door.take(some(7), AS_CLINIC)
        with service(options) as again:
            assert again.outcomes.state(waits.upload_id) == "waiting"


def test_a_service_that_ends_takes_nothing(options: Options) -> None:
    with service(options) as ended:
        assert ended.door.is_open
    with pytest.raises(DoorClosedError):
        ended.door.take(some(), AS_CLINIC)
    assert not ended.settling.health().alive

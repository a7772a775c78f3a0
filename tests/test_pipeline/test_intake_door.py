"""The door under a crowd: order, Idempotency-Keys, moments, limits, and that it shuts."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest
from senders import (
    EVENING,
    Clock,
    not_unpacked,
    payload,
    payload_of,
    sender,
    service_at,
    standing_still,
    told,
)
from visit_records import CLINIC, HOSPITAL, PERSON, moment, visit

from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import DoorClosedError, KeyReusedError, Ticket
from pipeline.intake.waiting import Waiting
from pipeline.outcome import Mode
from pipeline.store.archive import read_archived

MORNING = moment("2025-12-20T09:30:00")
THREADS = 32
Sent = tuple[str, str, Payload, Mode]


def uploads_of(store: Path) -> pl.DataFrame:
    return pl.read_delta(str(store / "tables/uploads"))


def test_a_crowd_with_colliding_keys(tmp_path: Path) -> None:
    """Whoever came first with a key got a new ticket; the same again the same one; others none."""
    random = Random(6)
    payloads = [payload_of(visit(CLINIC, PERSON, MORNING + n)) for n in range(4)]
    modes: tuple[Mode, ...] = ("official", "precheck")
    sent: list[Sent] = [
        (random.choice((CLINIC, HOSPITAL)), random.choice("abcdefgh"), random.choice(payloads),
         random.choice(modes))
        for _ in range(600)
    ]  # fmt: skip
    with service_at(tmp_path / "store") as service:

        def take(one: Sent) -> Ticket | None:
            institution, key, upload, mode = one
            try:
                return service.door.take(upload, sender(institution, mode), key)
            except KeyReusedError:
                return None

        with ThreadPoolExecutor(THREADS) as crowd:
            tickets = list(crowd.map(take, sent))
    rows = {row["upload_id"]: row for row in uploads_of(tmp_path / "store").iter_rows(named=True)}
    of_key = defaultdict(list)
    for one, ticket in zip(sent, tickets, strict=True):
        of_key[one[0], one[1]].append((one, ticket))
    assert len(of_key) == 16
    for (institution, _), answers in of_key.items():
        new = [(one, ticket) for one, ticket in answers if ticket and not ticket.again]
        ((first, given),) = new
        assert given
        row = rows.pop(given.upload_id)
        assert (row["institution"], row["mode"]) == (institution, first[3])
        assert row["sha256"] == first[2].sha256.hex()
        for one, ticket in answers:
            same = (one[2].sha256, one[3]) == (first[2].sha256, first[3])
            assert (ticket is not None) == same
            if ticket is not None:
                assert (ticket.upload_id, ticket.received_at) == (
                    given.upload_id,
                    given.received_at,
                )
    assert rows == {}


def test_the_order_of_receipt_is_that_of_sequences(tmp_path: Path) -> None:
    clock = Clock()
    with service_at(tmp_path / "store", clock) as service:

        def take(n: int) -> Ticket:
            clock.now += timedelta(milliseconds=Random(n).randint(-3, 4))  # clocks are set back
            return service.door.take(payload_of(visit(CLINIC, PERSON, MORNING + n)), sender())

        with ThreadPoolExecutor(THREADS) as crowd:
            tickets = list(crowd.map(take, range(200)))
    rows = uploads_of(tmp_path / "store").sort("sequence")
    assert set(rows["upload_id"]) == {ticket.upload_id for ticket in tickets}
    assert rows["received_at"].is_sorted()
    moments = {ticket.upload_id: ticket.received_at for ticket in tickets}
    assert [moments[one] for one in rows["upload_id"]] == rows["received_at"].to_list()


def test_one_after_the_other_keep_their_order(tmp_path: Path) -> None:
    with service_at(tmp_path / "store") as service:
        tickets = [
            service.door.take(payload_of(visit(CLINIC, PERSON, MORNING + n)), sender())
            for n in range(50)
        ]
    rows = uploads_of(tmp_path / "store").sort("sequence")
    assert rows["upload_id"].to_list() == [ticket.upload_id for ticket in tickets]


def test_moments_do_not_go_back_over_a_restart(tmp_path: Path) -> None:
    with service_at(tmp_path / "store") as service:
        service.door.take(payload(b"x"), sender())
    with service_at(tmp_path / "store", Clock(EVENING - timedelta(hours=1))) as service:
        assert service.door.take(payload(b"y"), sender()).received_at == EVENING


def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    sent = payload_of(visit(CLINIC, PERSON, MORNING))
    with service_at(tmp_path / "store") as service:
        first = service.door.take(sent, sender(), "key")
    with service_at(tmp_path / "store") as service:
        again = service.door.take(sent, sender(), "key")
        assert (again.upload_id, again.received_at, again.again) == (
            first.upload_id, first.received_at, True)  # fmt: skip
        with pytest.raises(KeyReusedError):
            service.door.take(sent, sender(mode="precheck"), "key")
        assert not service.door.take(sent, sender()).again
        assert not service.door.take(sent, sender(HOSPITAL), "key").again
    assert len(uploads_of(tmp_path / "store")) == 3


def test_the_bytes_are_in_the_archive_when_the_ticket_is_given(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with service_at(store) as service:
        sent = payload_of(visit(CLINIC, PERSON, MORNING))
        service.door.take(sent, sender())
        assert read_archived(store / "raw", sent.sha256) == sent.data
        unread = not_unpacked("a.zip")
        assert told(service, service.door.take(unread, sender())).refusal == unread.refusal
        with pytest.raises(KeyError):
            read_archived(store / "raw", unread.sha256)


@pytest.mark.parametrize("limits", [{"most_uploads": 3}, {"most_bytes": 6_000}])
def test_no_more_may_wait_than_is_allowed(tmp_path: Path, limits: dict[str, int]) -> None:
    with service_at(tmp_path / "store", waiting=Waiting(**limits)) as service:
        tickets = list[Ticket]()

        def fill() -> None:
            for n in range(20):
                sent = payload_of(visit(CLINIC, PERSON, MORNING + n))
                tickets.append(service.door.take(sent, sender()))

        with standing_still(service), pytest.raises(DoorClosedError, match="Too many"):
            fill()
        assert len(tickets) >= 3
        for ticket in tickets:
            told(service, ticket)
        service.door.take(payload_of(visit(CLINIC, PERSON, MORNING)), sender())


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    with service_at(tmp_path / "store") as service:
        pass
    with pytest.raises(DoorClosedError):
        service.door.take(payload(b"x"), sender())
    with pytest.raises(DoorClosedError):
        service.settling.ask(lambda store: store.next_sequence()).result(10)
    assert not service.settling.health().alive

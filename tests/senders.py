"""Uploads at the door of a real service, as tests send them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from scenario import Sending
from visit_records import CLINIC, TAIPEI, Record, upload

from pipeline.ingest.unpack import Payload, refused
from pipeline.intake.sender import DoorClosedError, Sender, Ticket
from pipeline.intake.service import Service, open_service
from pipeline.outcome import Mode
from pipeline.report.answer import Answer
from pipeline.settings import Settings
from pipeline.store.store import Store

EVENING = datetime(2025, 12, 21, 21, tzinfo=TAIPEI)
PATIENCE = 60.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = EVENING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Move on by days, hours, minutes…"""
        self.now += timedelta(**span)


def payload_of(*records: Record, name: str = "") -> Payload:
    """Records as an upload."""
    return payload(upload(records), name)


def payload(data: bytes, name: str = "") -> Payload:
    """Bytes as an upload."""
    return Payload(name, data, sha256(data).digest())


def told(service: Service, ticket: Ticket) -> Answer:
    """The answer to an upload, as soon as there is one."""
    assert service.outcomes.wait(ticket.upload_id, PATIENCE)
    answer = service.outcomes.answer(ticket.upload_id)
    assert answer is not None
    return answer


def not_unpacked(name: str = "") -> Payload:
    """An upload that could not be unpacked."""
    return refused(name, sha256(name.encode()).digest(), "Z003", "不是有效的 zip 檔", "no zip")


def sender(institution: str = CLINIC, mode: Mode = "official", name: str = "") -> Sender:
    """Who sends."""
    return Sender(institution, "web-api", mode, name, "192.0.2.1", "key-1")


def send(service: Service, sending: Sending) -> Ticket:
    """An upload of a history through the door; again if that is shut for a moment."""
    institution = sending.records[0].institution
    sent = payload(sending.payload, sending.name)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return service.door.take(sent, sender(institution, sending.mode))
        except DoorClosedError:
            assert time.monotonic() < until
            time.sleep(0.01)


@contextmanager
def standing_still(service: Service) -> Iterator[None]:
    """Nothing is settled meanwhile, but the door is open."""
    stands, go_on = Event(), Event()

    def stand(_: Store) -> None:
        stands.set()
        go_on.wait(PATIENCE)

    answer = service.settling.ask(stand)
    assert stands.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()
        answer.result(PATIENCE)


@contextmanager
def service_at(store: Path, clock: Clock | None = None, **options: Any) -> Iterator[Service]:
    """A running service over a store."""
    with open_service(store, Settings(), clock=clock or Clock(), **options) as service:
        yield service

"""A desk over a service at work, for tests: a real store, real grants, a clock to be moved.

Two institutions X and Y who know nothing of each other, and Z, which shares a vendor with X.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from senders import Clock, payload
from visit_records import CLINIC, HOSPITAL, OTHER_CLINIC, Record, moment, upload

from pipeline.accounts.accounts import open_accounts
from pipeline.accounts.who import Who
from pipeline.desk.desk import Desk
from pipeline.intake.sender import Sender
from pipeline.intake.service import Service, open_service
from pipeline.outcome import Mode
from pipeline.settings import Settings

X, Y, Z = CLINIC, OTHER_CLINIC, HOSPITAL
OF_X, OF_Y = Who("1", "x", "clinic", frozenset({X})), Who("2", "y", "clinic", frozenset({Y}))
VENDOR = Who("3", "vendor", "vendor", frozenset({X, Z}))
INSURER, AUDITOR = Who("4", "insurer", "insurer"), Who("5", "auditor", "auditor")
STRANGER = Who("6", "stranger", "clinic", frozenset({"3500009999"}))
NOBODY = Who("7", "nobody", "vendor")
LAST_NIGHT = moment("2025-12-20T18:30")
NEVER = 3_600.0  # seconds between commits that no test waits for


@dataclass
class Room:
    """A desk, and the service that takes uploads in beside it."""

    desk: Desk
    service: Service
    clock: Clock
    store: Path

    def send(self, institution: str, *records: Record, mode: Mode = "official") -> str:
        """Send records and wait until their outcome is told; gives the upload id."""
        return self.send_bytes(institution, upload(records), mode=mode)

    def send_bytes(self, institution: str, data: bytes, mode: Mode = "official") -> str:
        """Send anything, likewise."""
        sender = Sender(institution, "web-api", mode, f"{institution}.xml")
        ticket = self.service.door.take(payload(data), sender)
        assert self.service.outcomes.wait(ticket.upload_id, 60)
        return ticket.upload_id

    def commit(self) -> None:
        """All that was settled is in the tables, and not to be told from memory any more."""
        self.service.settling.ask(lambda _: None).result(60)


@contextmanager
def open_room(
    folder: Path, commit_seconds: float = NEVER, settings: Settings | None = None
) -> Iterator[Room]:
    """A desk over a service on a store in a folder."""
    clock, settings, store = Clock(), settings or Settings(), folder / "store"
    with (
        open_service(store, settings, commit_seconds=commit_seconds, clock=clock) as service,
        open_accounts(f"sqlite:///{folder}/accounts.sqlite", clock) as accounts,
    ):
        yield Room(
            Desk(str(store), settings, service, accounts.grants, clock), service, clock, store
        )

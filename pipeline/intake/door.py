"""EDGE: the door. An upload that got a ticket is durable and has its place in the order.

Whoever comes while others are being written goes with the next group, so a sync is shared by all
that came meanwhile:

    Step 1  the bytes of the group go to the archive, which is synced
    Step 2  the group's rows go to the intake log, in one durable transaction
    Step 3  the group waits to be settled, and the tickets are given
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Lock

from pipeline.errors import PipelineError, StoreWriteError
from pipeline.ingest.unpack import Payload
from pipeline.intake.log import IntakeLog
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.sender import (
    DoorClosedError,
    KeyReusedError,
    Sender,
    Ticket,
    full,
    stopping,
    trouble,
)
from pipeline.intake.taken import Taken
from pipeline.intake.waiting import Waiting, Waits
from pipeline.metrics import Metrics
from pipeline.store.archive import Archive, compress
from pipeline.upload_ids import new_upload_id

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


@dataclass(eq=False)
class _Comer:
    """Somebody at the door; has a ticket or a fault once ``done``. Woken before, it is to write."""

    payload: Payload
    sender: Sender
    key: str | None
    frame: bytes
    woken: Event = field(default_factory=Event)
    ticket: Ticket | None = None
    fault: PipelineError | None = None
    done: bool = False


@dataclass(frozen=True)
class Room:
    """What an open store gives to the door."""

    archive: Archive
    log: IntakeLog


class Door:
    """Takes uploads in, from any number of threads. Shut until it is opened.

    ``plan`` is the hash of the plan of 2.0. After a write that failed it stays shut until it is
    opened anew.
    """

    def __init__(
        self, waiting: Waiting, outcomes: Outcomes, clock: Clock, plan: str, metrics: Metrics
    ) -> None:
        self._waiting = waiting
        self._outcomes = outcomes
        self._clock = clock
        self._plan = plan
        self._metrics = metrics
        self.failure: Exception | None = None
        """Why a write failed since it was opened last."""
        self._room: Room | None = None
        self._closed = False
        self._why_shut: Callable[[], DoorClosedError] = stopping
        self._comers: list[_Comer] = []
        self._queueing = Lock()
        self._led = False
        self._writing = Lock()

    def open(self, room: Room) -> None:
        """From now on uploads are taken, unless the door was closed."""
        with self._writing:
            self._room, self.failure = None if self._closed else room, None

    def shut(self, why: Callable[[], DoorClosedError] = stopping) -> None:
        """No more uploads are taken; those that got a ticket wait to be settled when it returns."""
        with self._writing:
            self._room, self._why_shut = None, stopping if self._closed else why

    def close(self) -> None:
        """Shut it for good: the service ends."""
        self._closed = True
        self.shut()

    @property
    def is_open(self) -> bool:
        """Whether uploads are taken."""
        return self._room is not None

    def take(self, payload: Payload, sender: Sender, key: str | None = None) -> Ticket:
        """Make an upload durable. Blocks until it is.

        Raises ``DoorClosedError`` and ``KeyReusedError``; nothing was taken then.
        """
        with self._metrics.stage("take") as uploads:
            if not self.is_open:
                raise self._why_shut()
            if not self._waiting.has_room(len(payload.data)):
                raise full()
            frame = b"" if payload.refusal else compress([payload.data])[0]
            comer = _Comer(payload, sender, key, frame)
            with self._queueing:
                self._comers.append(comer)
                leads, self._led = not self._led, True
            if not leads:
                comer.woken.wait()
            if not comer.done:
                self._lead()
            if comer.ticket and not comer.ticket.again:
                uploads[comer.ticket.upload_id] = vars(sender)
        if comer.fault or not comer.ticket:
            raise comer.fault or trouble()
        return comer.ticket

    def _lead(self) -> None:
        """Write whoever has come, on behalf of all of them; then let the first of those who came
        meanwhile do the same."""
        with self._writing:
            with self._queueing:
                comers, self._comers = self._comers, []
            try:
                self._write_all(comers)
            finally:
                with self._queueing:
                    self._led = bool(self._comers)
                    following = self._comers[:1]
                for comer in comers:
                    comer.done = True
                for comer in following + comers:
                    comer.woken.set()

    def _write_all(self, comers: Sequence[_Comer]) -> None:
        try:
            if self._room is None:
                for comer in comers:
                    comer.fault = self._why_shut()
            else:
                self._write(self._room, comers)
        except (OSError, sqlite3.Error, StoreWriteError) as error:
            _log.error("the door is shut, since a write failed: %s", error)
            self._room, self._why_shut = None, trouble
            for comer in comers:
                comer.ticket, comer.fault = None, trouble()
            self.failure = error
            self._waiting.wake()

    def _write(self, room: Room, comers: Sequence[_Comer]) -> None:
        now = max(self._clock().astimezone(UTC), room.log.last_received)
        new = list[tuple[_Comer, Taken]]()
        keyed = dict[tuple[str, str], Taken]()
        for comer in comers:
            before = self._known(room, comer, keyed)
            if before is None:
                taken = self._taken(comer, room.log.last + len(new) + 1, now)
                new.append((comer, taken))
                if comer.key is not None:
                    keyed[comer.sender.institution, comer.key] = taken
                comer.ticket = Ticket(taken.upload_id, taken.received_at)
            elif (before.sha256, before.sender.mode) == (comer.payload.sha256, comer.sender.mode):
                comer.ticket = Ticket(before.upload_id, before.received_at, again=True)
            else:
                comer.fault = KeyReusedError()
        if not new:
            return
        # Step 1: the bytes
        for comer, taken in new:
            if taken.refusal is None:
                room.archive.add(taken.sha256, taken.size, comer.frame)
        room.archive.sync()
        # Step 2: the rows
        room.log.add([taken for _, taken in new])
        # Step 3: they wait
        self._outcomes.taken(taken for _, taken in new)
        self._waiting.put(Waits(taken, comer.payload.data) for comer, taken in new)
        self._metrics.taken(taken.size for _, taken in new)

    def _known(
        self, room: Room, comer: _Comer, keyed: dict[tuple[str, str], Taken]
    ) -> Taken | None:
        """What was taken under the same key before, or just now."""
        if comer.key is None:
            return None
        institution = comer.sender.institution
        return keyed.get((institution, comer.key)) or room.log.keyed(institution, comer.key)

    def _taken(self, comer: _Comer, number: int, now: datetime) -> Taken:
        sender = replace(comer.sender, name=comer.sender.name or comer.payload.name)
        return Taken(
            number, new_upload_id(now), now, sender, comer.payload.sha256,
            len(comer.payload.data), self._plan, comer.key, comer.payload.refusal,
        )  # fmt: skip

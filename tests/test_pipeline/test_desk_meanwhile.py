"""The desk while uploads are settled and committed: a list never lacks one nor has one twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from desk_rooms import INSURER, LAST_NIGHT, OF_X, Room, X, Y, open_room
from senders import EVENING, payload
from visit_records import PERSON, upload, visit

from pipeline.desk.uploads import Uploads
from pipeline.intake.sender import Sender
from pipeline.store.kept import KeptTables

TODAY = EVENING.date()
ROUNDS = 40
GRAVITY = {"waiting": 0, "done": 1}


@pytest.mark.parametrize("commit_seconds", [0.0, 0.2])
def test_every_ticket_is_listed_once_whatever_is_committed(
    tmp_path: Path, commit_seconds: float
) -> None:
    with open_room(tmp_path, commit_seconds=commit_seconds) as room:
        sent: list[str] = []
        done = threading.Event()
        wrong: list[str] = []
        readers = [
            threading.Thread(target=look, args=(ask, sent, done, wrong))
            for ask in (listed(room), found(room), received(room, sent))
        ]
        for reader in readers:
            reader.start()
        try:
            send(room, sent)
        finally:
            done.set()
            for reader in readers:
                reader.join()
        assert wrong == []
        room.commit()
        assert Counter(listed(room)()) == Counter(sent)


class Committing:
    """Does what another does, but has everything committed before one of its answers."""

    def __init__(self, of: object, before: str, commit: Callable[[], None]) -> None:
        self._of = of
        self._before = before
        self._commit = commit

    def __getattr__(self, name: str) -> object:
        if name == self._before:
            self._commit()
        return getattr(self._of, name)


@pytest.mark.parametrize("before", ["waiting", "rows", "waits", "row", "snapshot"])
def test_a_commit_at_any_moment_loses_nothing(tmp_path: Path, before: str) -> None:
    with open_room(tmp_path) as room:
        for mode in ("official", "precheck"):
            upload_id = room.send(X, visit(X, PERSON, LAST_NIGHT), mode=mode)
            tables = Committing(KeptTables(str(room.store)), before, room.commit)
            outcomes = Committing(room.service.outcomes, before, room.commit)
            uploads = Uploads(tables, outcomes)  # type: ignore[arg-type]
            rows = uploads.received(TODAY, TODAY, X, mode).collect()
            assert rows["upload_id"].to_list() == [upload_id]
            upload_id = room.send(X, visit(X, PERSON, LAST_NIGHT + 60), mode=mode)
            row = uploads.row(upload_id)
            assert row is not None
            assert (row["upload_id"], row["status"]) == (upload_id, "done")


def send(room: Room, sent: list[str]) -> None:
    """Uploads of X between those of Y, as fast as the door takes them."""
    one, other = upload([visit(X, PERSON, LAST_NIGHT)]), upload([visit(Y, PERSON, LAST_NIGHT + 60)])
    for n in range(ROUNDS):
        room.clock.forward(milliseconds=7)
        ticket = room.service.door.take(payload(one), Sender(X, "web-api", "official"))
        sent.append(ticket.upload_id)
        room.service.door.take(payload(other), Sender(Y, "web-api", "official"))
        if n % 5 == 0:
            room.service.outcomes.wait(ticket.upload_id, 60)


def look(
    ask: Callable[[], list[str]], sent: list[str], done: threading.Event, wrong: list[str]
) -> None:
    """Ask again and again, until something is wrong."""
    while not done.is_set() and not wrong:
        before = list(sent)
        try:
            told = Counter(ask())
        except Exception as fault:
            wrong.append(repr(fault))
            return
        wrong += [f"{one} is lacking" for one in before if one not in told]
        wrong += [f"{one} is there {count} times" for one, count in told.items() if count > 1]


def listed(room: Room) -> Callable[[], list[str]]:
    """The result list, in pages."""

    def ask() -> list[str]:
        page = room.desk.results(OF_X, X, TODAY, TODAY, limit=500)
        return [row["upload_id"] for row in page.uploads]

    return ask


def found(room: Room) -> Callable[[], list[str]]:
    """What the insurer counts, one for each."""

    def ask() -> list[str]:
        rows = room.desk._overview._uploads.received(TODAY, TODAY, None).collect()
        assert room.desk.institutions(INSURER).total <= 2
        return [row["upload_id"] for row in rows.to_dicts()]

    return ask


def received(room: Room, sent: list[str]) -> Callable[[], list[str]]:
    """Receipts, which go from waiting to done and never back."""
    states: dict[str, str] = {}

    def ask() -> list[str]:
        asked = list(sent)
        for upload_id in asked:
            receipt = room.desk.receipt(OF_X, upload_id)
            assert GRAVITY[states.get(upload_id, "waiting")] <= GRAVITY[receipt.state]
            assert (receipt.answer is None) == (receipt.state == "waiting")
            states[upload_id] = receipt.state
        return asked

    return ask

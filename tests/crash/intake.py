"""A service that takes uploads in and says what it promised: tickets and outcomes, a line each.

The words of one life go to a file outside of what is watched, each written before anything else is
done, so that a kill can't take back a promise without anybody knowing.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from visit_records import CLINIC

from pipeline import batches
from pipeline.generate import DEFAULT_AS_OF
from pipeline.ingest.ingest import find_files, read_uploads
from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import DoorClosedError, Sender, Ticket
from pipeline.intake.service import Service, open_service
from pipeline.limits import LIMITS
from pipeline.report.verdict_json import verdict_json
from pipeline.settings import Settings
from pipeline.store.kept import KeptTables
from pipeline.store.store import open_store
from pipeline.stored import StoredUploads

NOT_TAKEN = 75
_COMMIT_SECONDS = 0.02


@dataclass(frozen=True)
class Promised:
    """What lives of a service promised: upload ids by key, and digests of outcomes by upload id."""

    tickets: dict[str, str]
    outcomes: dict[str, str]


def promised(path: Path) -> Promised:
    """Read it; fails if two lives contradict each other."""
    found = Promised({}, {})
    lines = path.read_text().splitlines() if path.exists() else []
    for kind, key, value in map(str.split, lines):
        promises = found.tickets if kind == "ticket" else found.outcomes
        assert promises.setdefault(key, value) == value, f"{kind} {key} changed"
    return found


def outcome_of(answer: bytes) -> str:
    """An answer as one word."""
    return sha256(answer).hexdigest()


def stored_outcomes(store: Path, upload_ids: list[str]) -> dict[str, str]:
    """The outcomes that the tables tell, by upload id."""
    uploads = StoredUploads(KeptTables(str(store)), LIMITS)
    return {key: outcome_of(verdict_json(answer)) for key, answer in uploads.answers(upload_ids)}


def serve(
    sources: list[str], store: str, promises: str, patience: float = 20.0, deadly: str = ""
) -> int:
    """One life: take every upload in, in order, under the same key in every life; say what comes
    of each; end well. Exit code 75 if the door stayed shut for ``patience`` seconds.

    Whoever checks the upload of the name ``deadly`` is killed by it.
    """
    if deadly:
        _make_deadly(deadly)
    with open_store(store, buckets=1):
        pass
    said = os.open(promises, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(*words: str) -> None:
        os.write(said, (" ".join(words) + "\n").encode())

    given: list[Ticket] = []
    told: set[str] = set()
    with open_service(
        store, Settings(), clock=lambda: DEFAULT_AS_OF, commit_seconds=_COMMIT_SECONDS
    ) as service:
        for number, upload in enumerate(_uploads(sources)):
            ticket = _take(service, upload, f"key-{number}", patience)
            if ticket is None:
                return NOT_TAKEN
            say("ticket", f"key-{number}", ticket.upload_id)
            given.append(ticket)
            _say_outcomes(service, given, told, say, 0.0 if number % 3 else 0.05)
        for ticket in given:
            service.outcomes.wait(ticket.upload_id, patience)
        _say_outcomes(service, given, told, say, 0.0)
    return 0


def _make_deadly(name: str) -> None:
    real = batches.process_many

    def kill(payloads: Any, envelopes: Any, *rest: Any, **more: Any) -> Any:
        if any(envelope.name == name for envelope in envelopes):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(payloads, envelopes, *rest, **more)

    batches.process_many = kill


def _uploads(sources: list[str]) -> Iterator[Payload]:
    for file in find_files(sources):
        yield from read_uploads(file, LIMITS)


def _take(service: Service, upload: Payload, key: str, patience: float) -> Ticket | None:
    """Through the door, which may be shut for a while."""
    until = time.monotonic() + patience
    while True:
        try:
            return service.door.take(
                upload, Sender(_institution(upload), "web-api", "official"), key
            )
        except DoorClosedError:
            if time.monotonic() > until:
                return None
            time.sleep(0.02)


def _institution(upload: Payload) -> str:
    """The institution of the first record, whose credential it would be."""
    _, found, rest = upload.data.partition(b"<M05>")
    return rest[:10].decode() if found else CLINIC


def _say_outcomes(service: Service, given: list[Ticket], told: set[str], say, seconds) -> None:  # type: ignore[no-untyped-def]
    for ticket in given:
        if ticket.upload_id in told or not service.outcomes.wait(ticket.upload_id, seconds):
            continue
        answer = service.outcomes.answer(ticket.upload_id)
        if answer is not None and (answer.size or not answer.refusal):
            say("outcome", ticket.upload_id, outcome_of(verdict_json(answer)))
        told.add(ticket.upload_id)

"""A history told upload by upload: replayed slowly, and by the real ``run`` into a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path

from visit_records import TAIPEI, Record, upload

from pipeline.outcome import Envelope, Mode
from pipeline.run import RunOptions, run
from rules import load_plan
from tests.oracle.replay import Answer, Replay
from tests.oracle.replay_tables import expected, stored


@dataclass(frozen=True)
class Sending:
    """One upload, and when it was received."""

    name: str
    records: tuple[Record, ...]
    received_at: datetime
    mode: Mode = "official"

    @cached_property
    def payload(self) -> bytes:
        """Its bytes."""
        return upload(self.records)

    @property
    def envelope(self) -> Envelope:
        """What is known of it besides its bytes."""
        return Envelope(self.received_at, mode=self.mode, name=self.name)


@dataclass
class Scenario:
    """Uploads sent so far, and the slow replay of them. ``now`` is the moment of receipt."""

    precheck: bool = False
    now: datetime = datetime(2025, 12, 21, 21, tzinfo=TAIPEI)
    sent: list[Sending] = field(default_factory=list)
    replay: Replay = field(init=False)

    def __post_init__(self) -> None:
        self.replay = Replay(self.precheck)

    def at(self, text: str) -> None:
        """From now on uploads are received at this moment (ISO, Taipei)."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=TAIPEI)

    def send(self, *records: Record, mixed: bool = False) -> str:
        """Records in one upload; what the merge finds in them (see ``told``).

        The institution of the first is the sender; others' are rejected, so say where it's meant.
        """
        assert mixed or len({record.institution for record in records}) == 1
        name = f"{len(self.sent):04}.xml"
        mode: Mode = "precheck" if self.precheck else "official"
        self.sent.append(Sending(name, records, self.now, mode))
        return told(self.replay.take(name, self.sent[-1].payload, self.sent[-1].envelope))

    def send_each(self, *records: Record) -> list[str]:
        """Records in an upload each."""
        return [self.send(record) for record in records]

    def refills(self, prescription: Record) -> str:
        """The ledger of a prescription in short: ``C1=dispensed C2=open``."""
        rows = [r for r in self.replay.ledger.rows(self.replay.live)
                if r["prescription_id"] == prescription.id]  # fmt: skip
        letter = {"chronic": "C", "controlled": "F", "general": "A"}
        texts = sorted(f"{letter[str(r['kind'])]}{r['refill']}={r['status']}" for r in rows)
        return " ".join(texts)

    def assert_a_store_agrees(self, folder: Path, commit_uploads: int = 40_000) -> None:
        """The real run, in as many runs as there were moments, comes to the very same tables."""
        store = folder / "store"
        run_all(self.sent, store, folder / "in", commit_uploads)
        of_store, of_replay = stored(store, self.precheck), expected(self.replay)
        for name, rows in of_replay.items():
            assert of_store[name] == rows, name


def run_all(sent: Sequence[Sending], store: Path, inbox: Path, commit_uploads: int) -> None:
    """Uploads through the real ``run``: one run for each moment of receipt."""
    for sitting, (received_at, group) in enumerate(_sittings(sent)):
        folder = inbox / f"{sitting:03}"
        folder.mkdir(parents=True)
        for one in group:
            (folder / one.name).write_bytes(one.payload)
        options = RunOptions(
            mode=group[0].mode, received_at=received_at,
            batch_uploads=max(1, commit_uploads // 2), commit_uploads=commit_uploads,
        )  # fmt: skip
        run([folder], store, load_plan(), options)


def _sittings(sent: Sequence[Sending]) -> Iterator[tuple[datetime, list[Sending]]]:
    for received_at, group in groupby(sent, key=lambda one: one.received_at):
        yield received_at, list(group)


def told(answer: Answer) -> str:
    """What the merge found in an upload, as ``1 M15:D086`` for a record, in order; how it ended.

    What stands is told as ``1 stands 0000.xml/1``; a record that validation rejected already as
    ``1 rejected``; duties to come in time are left out.
    """
    plan, texts = load_plan(), {}
    for found in sorted(answer.findings, key=lambda f: (f.record, f.row or 99, f.rule)):
        rule = plan.rules[plan.by_id[found.rule]]
        if found.stands:
            texts[f"{found.record} stands {found.stands[0]}/{found.stands[1]}"] = None
        elif found.row:
            texts[f"{found.record} {found.field}:{rule.code}"] = None
        elif rule.severity == "reject":
            texts[f"{found.record} rejected"] = None
    return "; ".join([*texts, answer.status] if answer.status != "done" else texts)

"""Edge: checked uploads → sequence, merge, and rows for the store; and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import pyarrow as pa

from pipeline.batches import Checked, Intake, Part
from pipeline.core import Processed
from pipeline.merge.decisions import Decided, decide
from pipeline.merge.merge import MergePolicy
from pipeline.outcome import Counts, Refusal, Standing
from pipeline.results import (
    Receipted,
    finding_rows,
    held_rows,
    history_rows,
    processed_row,
    upload_row,
    upload_rows,
    visit_changes,
)
from pipeline.store.redelivery import FirstReceipt
from pipeline.store.store import Store
from rules.plan import Plan
from schemas.tables import track_of

Publish = Callable[[], None]
Row = dict[str, object]


class Receipts(Protocol):
    """Prepares receipts out of sight; gives what makes them visible once they are durable."""

    def begin(self) -> None:
        """The run holds the store; what a crash kept from being seen is made good."""

    def prepare(self, processed: Processed, uploads: Sequence[Receipted]) -> Publish:
        """Those of uploads that were processed together."""

    def prepare_refused(self, refused: Sequence[tuple[Receipted, Refusal]], plan: Plan) -> Publish:
        """Those of uploads that could not be unpacked."""


@dataclass(frozen=True)
class SettledPart:
    """Uploads that were processed and merged together, and their rows of ``uploads``.

    ``processed`` has what the merge found; ``findings`` are the rows of all of them, in order.
    """

    processed: Processed
    uploads: tuple[Receipted, ...]
    rows: tuple[Row, ...]
    findings: pa.Table


@dataclass
class Settled:
    """What became of an intake.

    ``refused`` are those that could not be unpacked, with their rows of ``uploads``,
    ``redelivered`` (name, upload id of the first receipt), ``failed`` the places of those that we
    failed on, of which nothing is in the store.
    """

    intake: Intake
    parts: list[SettledPart] = field(default_factory=list)
    refused: list[tuple[Receipted, Refusal, Row]] = field(default_factory=list)
    redelivered: list[tuple[str, str]] = field(default_factory=list)
    failed: dict[int, Exception] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """The rows of ``uploads``, but for those of redeliveries."""
        merged = [row for part in self.parts for row in part.rows]
        return merged + [row for _, _, row in self.refused]


NOTHING: Final = Counts()


class Merger:
    """Merges processed uploads into an open store: its current tables, history and state."""

    def __init__(self, store: Store, policy: MergePolicy) -> None:
        self._store = store
        self._policy = policy

    def merge(
        self, processed: Processed, uploads: Sequence[Receipted], *, guarded: bool = True
    ) -> Processed:
        """Merge processed uploads, in order of their sequences, into the current tables and the
        state; gives them with what the merge found.

        ``guarded``: uploads that would delete too much are held.
        """
        store = self._store
        track = store.track(track_of(processed.batch.layout, processed.envelopes[0].mode))
        sequences = [one.sequence for one in uploads]
        decided = decide(processed, sequences, track.state, self._policy, guarded=guarded)
        track.state.put(*decided.remembered)
        track.apply(visit_changes(uploads, decided, store.buckets), decided.ledger(store.buckets))
        if track.has_history:
            store.stage(track.history, history_rows(uploads, decided))
        if decided.held:
            store.stage("held", held_rows(uploads, decided.held))
        return replace(decided.processed, standing=self._standing(decided, uploads))

    def _standing(self, decided: Decided, uploads: Sequence[Receipted]) -> dict[int, Standing]:
        """By row of a rejected correction, the upload and record that stand."""
        versions = decided.standing
        ids = {one.sequence: one.upload_id for one in uploads}
        before = sorted({sequence for sequence, _ in versions.values()} - ids.keys())
        ids.update(zip(before, self._store.upload_ids(before) if before else [], strict=True))
        return {
            row: Standing(ids[sequence], record) for row, (sequence, record) in versions.items()
        }


class Settler:
    """Settles batches one after the other, in the order of receipt; the store is not committed.

    ``plan`` is that of format 2.0, which answers for what could not be unpacked.
    """

    def __init__(self, store: Store, plan: Plan, policy: MergePolicy) -> None:
        self._store = store
        self._plan = plan
        self._merger = Merger(store, policy)

    def settle(self, checked: Checked) -> Settled:
        """Give every upload its sequence, merge the records, and stage all that follows."""
        intake = checked.intake
        settled = Settled(intake, failed=dict(checked.failed))
        receipted = {
            place: self._receipt(intake, place)
            for place in range(len(intake.uploads))
            if place not in checked.failed
        }
        for part in checked.parts:
            uploads = [receipted[place] for place in part.places]
            settled.parts.append(self._settle_part(intake, part, uploads))
        for place, upload in enumerate(intake.uploads):
            if upload.refusal and place not in intake.before:
                one = receipted[place]
                row = upload_row(one, upload.refusal, NOTHING, self._plan.hash)
                settled.refused.append((one, upload.refusal, row))
        self._stage_uploads([row for _, _, row in settled.refused])
        for place, first in intake.before.items():
            self._settle_redelivered(settled, place, receipted[place], first)
        return settled

    def _stage_uploads(self, rows: Sequence[Row]) -> None:
        if rows:
            self._store.stage("uploads", upload_rows(rows))

    def _receipt(self, intake: Intake, place: int) -> Receipted:
        return Receipted(
            intake.upload_ids[place],
            intake.uploads[place].name,
            intake.uploads[place].sha256.hex(),
            self._store.next_sequence(),
            intake.envelopes[place],
        )

    def _settle_redelivered(
        self, settled: Settled, place: int, one: Receipted, first: FirstReceipt | None
    ) -> None:
        """An upload that was taken before gets a row; its first receipt stands."""
        first = first or self._store.redeliveries.recent(one.envelope.mode, (one.name, one.sha256))
        if first is None:  # the first one came to nothing, and so does its twin
            settled.failed[place] = RuntimeError("as its twin before")
            return
        settled.redelivered.append((one.name, first.upload_id))
        row = upload_row(one, None, NOTHING, self._plan.hash) | {
            "institution": first.institution,
            "status": first.status,
            "refusal_code": first.refusal_code,
            "redelivery_of": first.upload_id,
        }
        self._stage_uploads([row])

    def _settle_part(self, intake: Intake, part: Part, uploads: Sequence[Receipted]) -> SettledPart:
        """Merge what was processed together and stage its rows."""
        for one, place, frame in zip(uploads, part.places, part.frames, strict=False):
            size = len(intake.uploads[place].data)
            self._store.keep(bytes.fromhex(one.sha256), size, frame)
        known = tuple(
            replace(one, envelope=envelope)
            for one, envelope in zip(uploads, part.processed.envelopes, strict=True)
        )
        processed = self._merger.merge(part.processed, known)
        settled = SettledPart(
            processed,
            known,
            tuple(processed_row(processed, i, one) for i, one in enumerate(known)),
            finding_rows(processed, known),
        )
        self._store.stage("findings", settled.findings)
        self._stage_uploads(settled.rows)
        return settled

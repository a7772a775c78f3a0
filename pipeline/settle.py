"""Edge: checked uploads → sequence, merge, rows for the store, and their part of the summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from pipeline.batches import Checked, Checker, Intake, Part
from pipeline.core import Processed
from pipeline.decisions import Decided, decide
from pipeline.merge import MergePolicy
from pipeline.outcome import Counts, Refusal, Standing
from pipeline.results import (
    Receipted,
    finding_rows,
    held_rows,
    history_rows,
    upload_row,
    upload_rows,
    visit_changes,
)
from pipeline.run_summary import RunSummary
from pipeline.store.redelivery import FirstReceipt
from pipeline.store.store import Store
from pipeline.upload_ids import new_upload_id
from rules.plan import Plan
from schemas import V2
from schemas.tables import track_of
from schemas.versions import version_in

Publish = Callable[[], None]


class Receipts(Protocol):
    """Prepares receipts out of sight; gives what makes them visible once they are durable."""

    def begin(self) -> None:
        """The run holds the store; what a crash kept from being seen is made good."""

    def prepare(self, processed: Processed, uploads: Sequence[Receipted]) -> Publish:
        """Those of uploads that were processed together."""

    def prepare_refused(self, refused: Sequence[tuple[Receipted, Refusal]], plan: Plan) -> Publish:
        """Those of uploads that could not be unpacked."""


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
    """Settles batches one after the other, in the order of receipt; commits when told."""

    def __init__(
        self,
        store: Store,
        checker: Checker,
        policy: MergePolicy,
        summary: RunSummary,
        receipts: Receipts | None,
    ) -> None:
        self._store = store
        self._checker = checker
        self._merger = Merger(store, policy)
        self._summary = summary
        self._receipts = receipts
        self._publish: list[Publish] = []

    def settle(self, checked: Checked) -> None:
        """Give every upload its sequence, merge the records, and stage all that follows."""
        intake = checked.intake
        receipted = {
            place: self._receipt(intake, place)
            for place in range(len(intake.uploads))
            if place not in checked.failed
        }
        for part in checked.parts:
            self._settle_part(intake, part, [receipted[place] for place in part.places])
        self._settle_refused([
            (receipted[place], upload.refusal)
            for place, upload in enumerate(intake.uploads)
            if upload.refusal and place not in intake.before
        ])  # fmt: skip
        for place, error in checked.failed.items():
            self._summary.add_failed(intake.uploads[place].name, error)
        self._stage_uploads(
            [self._redelivered(receipted[place], first) for place, first in intake.before.items()]
        )
        self._summary.bytes_taken += intake.size

    def _settle_refused(self, refused: Sequence[tuple[Receipted, Refusal]]) -> None:
        """Uploads that could not be unpacked: nothing to archive or merge."""
        plan = self._checker.plans(V2)
        for one, refusal in refused:
            self._summary.add_refused(one.name, refusal)
        self._stage_uploads(
            [upload_row(one, refusal, NOTHING, plan.hash) for one, refusal in refused]
        )
        if self._receipts and refused:
            self._publish.append(self._receipts.prepare_refused(refused, plan))

    def _stage_uploads(self, rows: list[dict[str, object] | None]) -> None:
        present = [row for row in rows if row is not None]
        if present:
            self._store.stage("uploads", upload_rows(present))

    def _receipt(self, intake: Intake, place: int) -> Receipted:
        return Receipted(
            new_upload_id(intake.received_at),
            intake.uploads[place].name,
            intake.uploads[place].sha256.hex(),
            self._store.next_sequence(),
            self._checker.envelope(intake, place),
        )

    def _redelivered(self, one: Receipted, first: FirstReceipt | None) -> dict[str, object] | None:
        """The row of an upload that was taken before; its first receipt stands."""
        first = first or self._store.redeliveries.recent(one.name, one.sha256)
        if first is None:  # the first one came to nothing, and so does its twin
            self._summary.add_failed(one.name, RuntimeError("as its twin before"))
            return None
        self._summary.add_redelivered(one.name, first.upload_id)
        row = upload_row(one, None, NOTHING, self._checker.plans(V2).hash)
        return row | {
            "institution": first.institution,
            "status": first.status,
            "refusal_code": first.refusal_code,
            "redelivery_of": first.upload_id,
        }

    def _settle_part(self, intake: Intake, part: Part, uploads: Sequence[Receipted]) -> None:
        """Merge what was processed together and stage its rows."""
        for one, place, frame in zip(uploads, part.places, part.frames, strict=True):
            size = len(intake.uploads[place].data)
            self._store.keep(bytes.fromhex(one.sha256), size, frame)
        known = [
            replace(one, envelope=envelope)
            for one, envelope in zip(uploads, part.processed.envelopes, strict=True)
        ]
        processed = self._merger.merge(part.processed, known)
        self._store.stage("findings", finding_rows(processed, known))
        rows = []
        for i, one in enumerate(known):
            counts, refusal = processed.counts(i), processed.refusals[i]
            if refusal:
                self._summary.add_refused(one.name, refusal)
            elif i in processed.held:
                self._summary.add_held(one.name, one.upload_id)
            else:
                self._summary.add_done(counts)
            rows.append(
                upload_row(
                    one,
                    refusal,
                    counts,
                    processed.plan.hash,
                    held=i in processed.held,
                    version=version_in(processed.batch.layout).number,
                    encoding=processed.encodings[i],
                    parser=processed.parsers[i],
                )
            )
        self._stage_uploads([*rows])
        self._summary.add_findings(processed)
        if self._receipts:
            self._publish.append(self._receipts.prepare(processed, known))

    def commit(self) -> None:
        """Make what was settled durable, then let its receipts be seen."""
        self._store.commit()
        for publish in self._publish:
            publish()
        self._publish.clear()

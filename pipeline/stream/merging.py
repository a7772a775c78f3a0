"""PURE, given the states of a partition: shares in sequence order → what becomes of the tables.

The same functions as everywhere (``decide``, then rows by column), over the records of one
partition's persons. Where an upload deletes so much that it may have to be held, all partitions
must count first: the step stops with a ``Question`` and goes on with the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
import pyarrow as pa

from pipeline.merge.candidates import candidates, work_of
from pipeline.merge.changes import Changes
from pipeline.merge.decisions import Decided, decide
from pipeline.merge.keys import live_keys, pack_text
from pipeline.merge.merge import MergePolicy, doomed_visits, too_many_deletes
from pipeline.merge.state import State
from pipeline.outcome import Standing, Verdict
from pipeline.results import finding_rows, history_rows, visit_changes
from pipeline.stream.gather import Step
from pipeline.stream.messages import PoisonError
from pipeline.stream.routing import Reunited, Share, reunited
from rules.plan import Plan
from schemas.tables import Track, track_of

States = Callable[[Track], State]
Plans = Callable[[str], Plan]
"""The plan for a version of the format, by its number."""

Shares = Sequence[tuple[int, Share]]
TooMany = tuple[int, int, int]
"""Month, deletes, live visits of an upload that is to be held."""


@dataclass(frozen=True)
class Question:
    """What one partition counts of an upload that may have to be held, by visit month."""

    sequence: int
    deletes: dict[int, int]
    live: dict[int, int]


@dataclass(frozen=True)
class Applied:
    """What becomes of the current tables of one track, and its history."""

    track: Track
    visits: Changes
    ledger: Changes
    history: pa.Table


@dataclass(frozen=True)
class Part:
    """What a step came to in one partition.

    ``recounted``: by sequence, how the counts of accepted, warned and rejected records change.
    ``findings`` are rows of that table, but ``stands_upload_id`` holds a sequence as text.
    ``held``: by sequence, why. ``failed``: sequences whose records could not be read, a fault of
    ours: nothing of them is in it, and they are counted as rejected.
    """

    through: int
    applied: tuple[Applied, ...] = ()
    findings: tuple[pa.Table, ...] = ()
    recounted: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    held: Mapping[int, TooMany] = field(default_factory=dict)
    failed: tuple[int, ...] = ()


def held_by(questions: Sequence[Question], policy: MergePolicy) -> TooMany | None:
    """Why an upload is held, from what all partitions count of it; ``None`` if it is not."""
    deletes, live = Counter[int](), Counter[int]()
    for question in questions:
        deletes.update(question.deletes)
        live.update(question.live)
    return too_many_deletes(deletes, live.__getitem__, policy)


def merge_step(
    step: Step[Share], states: States, plans: Plans, policy: MergePolicy, buckets: int
) -> Generator[Question, TooMany | None, Part]:
    """Merge what a step brings; the states are then as after it."""
    applied, findings = list[Applied](), list[pa.Table]()
    recounted, held = dict[int, tuple[int, int, int]](), dict[int, TooMany]()
    failed = list[int]()
    for shares in _runs([(sequence, share) for sequence, _, share in step.items]):
        for group, together in _readable(shares, plans):
            sequence, first = group[0]
            if first.months:
                answer = yield _question(sequence, first, together, states)
                if answer is not None:
                    held[sequence] = answer
                    continue
            if together is None:
                failed.append(sequence)
                recounted[sequence] = _rejected(first)
                continue
            if not together.uploads:
                continue
            merged = _merged(together, states, policy, buckets)
            applied.append(merged.applied)
            findings.append(merged.findings)
            recounted |= merged.recounted
    return Part(step.through, tuple(applied), tuple(findings), recounted, held, tuple(failed))


def _runs(shares: list[tuple[int, Share]]) -> Iterator[list[tuple[int, Share]]]:
    """Shares in order, cut so that one that is to be counted stands alone."""
    for _, run in groupby(shares, key=lambda one: one[0] if one[1].months else 0):
        yield list(run)


def _alike(shares: list[tuple[int, Share]]) -> Iterator[list[tuple[int, Share]]]:
    """Shares of one mode and version, which know nothing of others'."""

    def kind(one: tuple[int, Share]) -> tuple[str, str]:
        return one[1].claim.mode, one[1].version

    for _, group in groupby(sorted(shares, key=kind), key=kind):
        yield list(group)


def _readable(
    shares: list[tuple[int, Share]], plans: Plans
) -> Iterator[tuple[list[tuple[int, Share]], Reunited | None]]:
    """Groups with their records; a share whose records don't parse comes alone, without them."""
    for group in _alike(shares):
        plan = plans(group[0][1].version)
        try:
            yield group, reunited(group, plan)
        except PoisonError:
            for one in group:
                try:
                    yield [one], reunited([one], plan)
                except PoisonError:
                    yield [one], None


def _rejected(share: Share) -> tuple[int, int, int]:
    """How counts change when nothing of a share is taken."""
    accepted = sum(verdict != Verdict.REJECTED for verdict in share.verdicts)
    return -accepted, -sum(verdict == Verdict.WARNED for verdict in share.verdicts), accepted


def _question(sequence: int, share: Share, together: Reunited | None, states: States) -> Question:
    state = states("official")
    doomed = dict[int, int]()
    if together is not None and together.uploads:
        processed = together.processed
        found = candidates(processed, together.sequences)
        known, work = work_of(processed, found, state)
        if len(found):
            doomed = doomed_visits(known, work, slice(0, len(found)))
    owner = pack_text(share.claim.institution or "")
    months = sorted({*share.months, *doomed})
    keys = live_keys(np.full(len(months), owner, np.uint64), np.array(months, np.int32))
    return Question(sequence, doomed, dict(zip(months, state.live(keys), strict=True)))


@dataclass(frozen=True)
class _Merged:
    applied: Applied
    findings: pa.Table
    recounted: dict[int, tuple[int, int, int]]


def _merged(together: Reunited, states: States, policy: MergePolicy, buckets: int) -> _Merged:
    before, uploads = together.processed, together.uploads
    track = track_of(before.batch.layout, before.envelopes[0].mode)
    state = states(track)
    decided = decide(before, together.sequences, state, policy, guarded=False)
    state.put(*decided.remembered)
    standing = {row: Standing(str(at), number) for row, (at, number) in decided.standing.items()}
    told = replace(decided.processed, standing=standing)
    return _Merged(
        Applied(
            track, visit_changes(uploads, decided, buckets), decided.ledger(buckets),
            history_rows(uploads, decided),
        ),
        finding_rows(told, uploads),
        _recounted(together, decided),
    )  # fmt: skip


def _recounted(together: Reunited, decided: Decided) -> dict[int, tuple[int, int, int]]:
    """By sequence, what the merge changed of the counts of its records."""
    before, after = together.processed.verdict, decided.processed.verdict
    changed = np.flatnonzero(before != after).tolist()
    counts: dict[int, list[int]] = {}
    for row in changed:
        count = counts.setdefault(together.uploads[row].sequence, [0, 0, 0])
        for verdict, sign in ((before[row], -1), (after[row], 1)):
            count[0] += sign * (verdict != Verdict.REJECTED)
            count[1] += sign * (verdict == Verdict.WARNED)
            count[2] += sign * (verdict == Verdict.REJECTED)
    return {at: (int(a), int(w), int(r)) for at, (a, w, r) in counts.items()}

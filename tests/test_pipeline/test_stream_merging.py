"""Partitions that merge shares of uploads, through messages and barriers, against the one merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random

import pytest
from histories import history
from merging import BUCKETS, Merging, joined, merged
from scenario import Sending

from pipeline.core import process_many
from pipeline.merge.merge import MergePolicy
from pipeline.merge.state import MemoryState
from pipeline.outcome import Verdict
from pipeline.stream.gather import Gather, Step
from pipeline.stream.merging import Part, Question, held_by, merge_step
from pipeline.stream.messages import Claim, pack, unpack
from pipeline.stream.parts import pack_part, part_of
from pipeline.stream.routing import Share, shares
from rules import load_plan
from schemas.tables import Track

WAYS = 3


def claim(one: Sending, number: int) -> Claim:
    """The claim of an upload of a history, its sender found."""
    (processed,) = [process_many([one.payload], [one.envelope], load_plan())]
    return Claim(
        f"upload {number}", "", len(one.payload), one.received_at,
        processed.envelopes[0].institution, one.envelope.channel, one.mode, one.name,
    )  # fmt: skip


def shared(sent: Sequence[Sending], partitions: int) -> list[tuple[int, int, Share]]:
    """(sequence, partition, share) of a history, each sent as a message and read again."""
    claims = [claim(one, at) for at, one in enumerate(sent, start=1)]
    processed = process_many(
        [one.payload for one in sent], [one.envelope for one in sent], load_plan()
    )
    sequences = range(1, len(sent) + 1)
    out = []
    for sequence, of, share in shares(
        processed, claims, sequences, BUCKETS, partitions, MergePolicy()
    ):
        kind, header, blobs = unpack(pack("share", share.header, share.records))
        assert kind == "share"
        assert Share.of(header, blobs) == share
        out.append((sequence, of, share))
    return out


def steps_of(
    sent: Sequence[Sending], made: list[tuple[int, int, Share]], of: int, r: Random
) -> list[Step[Share]]:
    """The steps of one partition: ways race each other, items and marks come doubled."""
    gather = Gather[Share](range(WAYS), 0)
    barriers = sorted({*BARRIERS(len(sent)), len(sent)})
    streams = []
    for way in range(WAYS):
        stream: list[tuple[int, Share | None]] = []
        after = 0
        for through in barriers:
            mine = [
                (at, share)
                for at, to, share in made
                if to == of and at % WAYS == way and after < at <= through
            ]
            again = r.sample(mine, min(len(mine), 2))
            stream += [*mine, *again, (through, None)]
            after = through
        streams.append(stream)
    steps: list[Step[Share]] = []
    while any(streams):
        way = r.choice([way for way, stream in enumerate(streams) if stream])
        at, share = streams[way].pop(0)
        if share is None:
            gather.mark(way, at)
        else:
            gather.add(way, at, share)
        steps += gather.steps()
    assert gather.waiting == 0
    return steps


def BARRIERS(count: int) -> list[int]:  # noqa: N802
    """The same barriers for every partition."""
    return [at for at in range(1, count + 1) if at * 7 % 5 in (0, 3)]


def merged_in_partitions(sent: Sequence[Sending], partitions: int, r: Random) -> Merging:
    """What all partitions came to, put together as the recorder does."""
    whole, policy = Merging(), MergePolicy()
    states = [defaultdict[Track, MemoryState](MemoryState) for _ in range(partitions)]
    made = shared(sent, partitions)
    parts: list[list[Part]] = [[] for _ in range(partitions)]
    running = [
        [
            merge_step(step, states[of].__getitem__, lambda _: load_plan(), policy, BUCKETS)
            for step in steps_of(sent, made, of, r)
        ]
        for of in range(partitions)
    ]
    for generators in zip(*running, strict=True):
        asked: list[Question | None] = []
        for of, generator in enumerate(generators):
            asked.append(_go_on(generator, None, parts[of], first=True))
        while any(asked):
            questions = [question for question in asked if question]
            assert len(questions) == partitions, "all partitions ask of the same upload"
            assert len({question.sequence for question in questions}) == 1
            answer = held_by(questions, policy)
            asked = [
                _go_on(generator, answer, parts[of]) for of, generator in enumerate(generators)
            ]
    for together in zip(*parts, strict=True):
        _record(whole, [part_of(*unpack(pack_part(part, 7))[1:])[0] for part in together])
    whole.state = MemoryState()
    _check(sent, whole)
    whole.verdicts = {}
    assert joined(s for state in states for s in state.values()) == joined([merged(sent, []).state])
    return whole


def _go_on(
    generator: object, answer: object, parts: list[Part], *, first: bool = False
) -> Question | None:
    try:
        return next(generator) if first else generator.send(answer)  # type: ignore[attr-defined,no-any-return]
    except StopIteration as done:
        parts.append(done.value)
        return None


def _record(whole: Merging, parts: Sequence[Part]) -> None:
    for part in parts:
        for one in part.applied:
            whole.visits.apply(one.visits, "visit_key")
            whole.ledger.apply(one.ledger, "prescription_id")
            rows = one.history.to_pylist()
            whole.history += [(r["sequence"], r["record"], r["action"]) for r in rows]
        for table in part.findings:
            for row in table.to_pylist():
                sequence = int(row["upload_id"].removeprefix("upload "))
                order = -1 if row["order_no"] is None else row["order_no"] - 1
                whole.findings.add((sequence, row["record"], order, row["field"], row["rule"]))
                if row["stands_upload_id"]:
                    stands = int(row["stands_upload_id"]), row["stands_record"]
                    whole.standing[sequence, row["record"]] = stands
        for sequence, (month, deletes, live) in part.held.items():
            whole.held[sequence] = (f"{month // 12}-{month % 12 + 1:02}", deletes, live)


def _check(sent: Sequence[Sending], whole: Merging) -> None:
    """The findings of the check, which go to the recorder without a merge."""
    processed = process_many(
        [one.payload for one in sent], [one.envelope for one in sent], load_plan()
    )
    found = processed.findings
    for i in range(len(found)):
        row = int(found.record[i])
        at = int(processed.batch.record_upload[row]) + 1
        rule = processed.plan.rules[found.rule[i]].id
        name = found.names[found.field[i]]
        number = int(processed.batch.record_number[row])
        whole.findings.add((at, number, int(found.order[i]), name, rule))


@pytest.mark.parametrize("seed", [1, 2, 3, 11, 12])
def test_partitions_come_to_what_one_merge_comes_to(seed: int) -> None:
    made, r = history(seed), Random(seed)
    one = merged(made.sent, [])
    for partitions in (1, 3, BUCKETS):
        many = merged_in_partitions(made.sent, partitions, r)
        assert many.held == one.held
        assert many.findings == one.findings
        assert many.standing == one.standing
        assert sorted(many.history) == sorted(one.history)
        for number in (0, 1):
            assert _same(many.visits.table(number)) == _same(one.visits.table(number))
        assert _same(many.ledger.table(0)) == _same(one.ledger.table(0))


def test_recounted_verdicts_are_those_of_one_merge() -> None:
    made, r = history(4), Random(4)
    one = merged(made.sent, [])
    before = process_many(
        [s.payload for s in made.sent], [s.envelope for s in made.sent], load_plan()
    )
    states = [defaultdict[Track, MemoryState](MemoryState) for _ in range(3)]
    changes = defaultdict[int, list[int]](lambda: [0, 0, 0])
    held = set(one.held)
    parts = shared(made.sent, 3)
    for of in range(3):
        for step in steps_of(made.sent, parts, of, r):
            items = tuple(item for item in step.items if item[0] not in held)
            plain = Step(step.after, step.through, tuple((s, w, _plain(x)) for s, w, x in items))
            part = _finished(merge_step(
                plain, states[of].__getitem__, lambda _: load_plan(), MergePolicy(), BUCKETS
            ))  # fmt: skip
            for at, counts in part.recounted.items():
                for i, count in enumerate(counts):
                    changes[at][i] += count
    for upload in range(len(made.sent)):
        counts, at = before.counts(upload), upload + 1
        verdicts = [v for (s, _), v in one.verdicts.items() if s == at]
        accepted, warned, rejected = changes[at]
        assert counts.records_rejected + rejected == verdicts.count(Verdict.REJECTED)
        assert counts.records_warned + warned == verdicts.count(Verdict.WARNED)
        assert counts.records_accepted + accepted == len(verdicts) - verdicts.count(
            Verdict.REJECTED
        )


def _plain(share: Share) -> Share:
    from dataclasses import replace

    return replace(share, months=())


def _finished(generator: object) -> Part:
    try:
        next(generator)  # type: ignore[call-overload]
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("asked")


def _same(rows: list[dict[str, object]]) -> list[str]:
    skipped = {"upload_id", "received_at", "plan"}
    return sorted(repr({k: v for k, v in row.items() if k not in skipped}) for row in rows)

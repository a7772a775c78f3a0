"""Random histories: the real merge, batched in any way, and the real run, against the slow twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from histories import History, history
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from merging import Merging, joined, merged, only, processed_in, released
from scenario import Sending, run_all
from shrink import as_text, minimal, replayed

from pipeline.core import Processed
from pipeline.held import Decision, decide_held
from pipeline.merge.state_items import SLOT, VISIT
from rules import load_plan
from tests.oracle.replay import Answer, Replay
from tests.oracle.replay_tables import expected, read, stored
from tests.oracle.visit import person_code

QUICK, LONG = 6, 300
PARTITIONS = 3


@pytest.fixture
def for_seeds(request: pytest.FixtureRequest) -> Callable[[Callable[[int], None]], None]:
    """Tries a property on seeds: a few, or hundreds with ``--long``."""

    def tried(holds: Callable[[int], None]) -> None:
        examples = LONG if request.config.getoption("--long") else QUICK
        settings(
            max_examples=examples, deadline=None, database=None, derandomize=examples == QUICK,
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
        )(given(st.integers(0, 10**6))(holds))()  # fmt: skip

    return tried


Tried = Callable[[Callable[[int], None]], None]


def assert_agrees(real: Merging, replay: Replay) -> None:
    """All that a merge says is what the slow twin says."""
    answers = {answer.sequence: answer for answer in replay.answers}
    assert real.held == {
        s: (a.hold.month, a.hold.deletes, a.hold.live) for s, a in answers.items() if a.hold
    }
    assert real.findings == {
        (s, f.record, f.order, f.field, f.rule) for s, a in answers.items() for f in a.findings
    }
    assert real.verdicts == {
        (s, n): verdict for s, a in answers.items() for n, verdict in enumerate(a.verdicts, start=1)
    }
    sequence_of = {answer.upload: answer.sequence for answer in replay.answers}
    assert real.standing == {
        (s, f.record): (sequence_of[f.stands[0]], f.stands[1])
        for s, a in answers.items()
        for f in a.findings
        if f.stands
    }
    assert real.history == [(v.sequence, v.record, action) for action, v in replay.history]
    assert_state_agrees(real, replay)
    assert_tables_agree(real, replay)


def assert_state_agrees(real: Merging, replay: Replay) -> None:
    """The state holds the live versions and the slots of the slow twin, and nothing else."""
    of = {name: [v for n, _, v in real.state.contents() if n == name]
          for name in ("moments", "ledger", "live")}  # fmt: skip
    visits = np.frombuffer(b"".join(of["moments"]), VISIT)
    assert sorted(zip(visits["sequence"].tolist(), visits["record"].tolist(), strict=True)) == (
        sorted((v.sequence, v.record) for v in replay.live.values())
    )
    slots = np.frombuffer(b"".join(of["ledger"]), SLOT)
    kinds = "ABCDEF"
    assert sorted(
        (kinds[place // 8], place % 8 + 1, bool(status == 1), sequence)
        for place, status, sequence in slots[["place", "status", "sequence"]].tolist()
    ) == sorted(
        (kind, refill, slot.by is not None, slot.sequence)
        for slots in replay.ledger.slots.values()
        for (kind, refill), slot in slots.items()
    )
    counts = sorted(int.from_bytes(value, "little") for value in of["live"])
    assert counts == sorted(replay.live_counts().values())


def assert_tables_agree(real: Merging, replay: Replay) -> None:
    """The changes of the current tables add up to the slow twin's rows."""
    visits = [(r["visit_key"], r["sequence"], r["record"]) for r in real.visits.table(0)]
    assert sorted(visits) == sorted((k, v.sequence, v.record) for k, v in replay.live.items())
    orders = [(r["visit_key"], r["order_no"], r["sequence"]) for r in real.visits.table(1)]
    assert sorted(orders) == sorted(
        (k, n, v.sequence) for k, v in replay.live.items() for n, _ in enumerate(v.orders, start=1)
    )
    rows = list(replay.ledger.rows(replay.live))
    columns = list(rows[0]) if rows else []
    assert sorted(repr([row[c] for c in columns]) for row in real.ledger.table(0)) == sorted(
        repr([row[c] for c in columns]) for row in rows
    )


def test_one_by_one(for_seeds: Tried) -> None:
    def holds(seed: int) -> None:
        made = history(seed)
        try:
            assert_agrees(merged(made.sent, range(len(made.sent))), made.replay)
        except AssertionError as disagreement:
            raise AssertionError(_smallest(made.sent)) from disagreement

    for_seeds(holds)


def test_any_batching_is_the_same(for_seeds: Tried) -> None:
    def holds(seed: int) -> None:
        made, r = history(seed), Random(seed)
        cuts = [r.randrange(len(made.sent)) for _ in range(r.choice((0, 1, 3, 9)))]
        real = merged(made.sent, cuts)
        assert_agrees(real, made.replay)
        single = merged(made.sent, range(len(made.sent)))
        assert list(real.state.contents()) == list(single.state.contents())

    for_seeds(holds)


def test_a_precheck(for_seeds: Tried) -> None:
    def holds(seed: int) -> None:
        made = history(seed, 40, precheck=True)
        cuts = [Random(seed).randrange(len(made.sent)) for _ in range(3)]
        assert_agrees(merged(made.sent, cuts), made.replay)

    for_seeds(holds)


def test_partitions_of_persons_that_arrive_interleaved(for_seeds: Tried) -> None:
    """Each partition sees its persons' records only, in order, cut and mixed in any way.

    The guard against mass deletes is not a partition's: it is decided at intake.
    """

    def holds(seed: int) -> None:
        made, r = history(seed), Random(seed)
        whole = merged(made.sent, [], guarded=False)
        parts = [Merging(guarded=False) for _ in range(PARTITIONS)]
        waiting = [_batches(made, r) for _ in parts]
        while any(waiting):
            number = r.choice([n for n, batches in enumerate(waiting) if batches])
            processed, sequences = waiting[number].pop(0)
            mine = {row for row in range(processed.batch.visits.rows)
                    if _partition(processed, row) == number}  # fmt: skip
            parts[number].take(only(processed, mine), sequences, mine)
        assert joined(part.state for part in parts) == joined([whole.state])
        assert set().union(*(part.findings for part in parts)) == whole.findings
        assert sorted(h for part in parts for h in part.history) == sorted(whole.history)

    for_seeds(holds)


def test_held_uploads_that_are_released(for_seeds: Tried) -> None:
    """A release has a sequence of its own; others came before it."""

    def holds(seed: int) -> None:
        made = history(seed)
        real, slow = merged(made.sent, [seed]), replayed(made.sent)
        for one, answer in zip(made.sent, list(slow.answers), strict=True):
            if answer.hold:
                before = answer.sequence
                slow.release(answer)
                released(real, one, before, answer.sequence)
        for answer in slow.answers:
            answer.hold = None
        assert_agrees(real, slow)

    for_seeds(holds)


def _smallest(sent: Sequence[Sending]) -> str:
    """The smallest part of a history on which the two disagree, to read."""

    def disagrees(part: Sequence[Sending]) -> bool:
        try:
            assert_agrees(merged(part, range(len(part))), replayed(part))
        except AssertionError:
            return True
        return False

    return "\n".join(as_text(minimal(sent, disagrees)))


def _batches(made: History, r: Random) -> list[tuple[Processed, range]]:
    return list(processed_in(made.sent, [r.randrange(len(made.sent)) for _ in range(4)]))


def _partition(processed: Processed, row: int) -> int:
    field = processed.findings.names.index("M03")
    person = person_code(processed.batch.value(False, field, row) or "")
    return sum(person.encode()) % PARTITIONS


def test_the_tables_of_a_store(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The real run, in several runs and commits, comes to the slow twin's very rows."""
    for seed in range(100 if request.config.getoption("--long") else 2):
        made, folder = history(seed), tmp_path / str(seed)
        run_all(made.sent, folder / "store", folder / "in", Random(seed).choice((1, 3, 7, 100)))
        _assert_same(stored(folder / "store"), expected(made.replay))


def test_the_tables_of_a_store_of_prechecks(tmp_path: Path) -> None:
    made = history(7, 40, precheck=True)
    run_all(made.sent, tmp_path / "store", tmp_path / "in", 5)
    _assert_same(stored(tmp_path / "store", precheck=True), expected(made.replay))


def test_the_tables_of_a_store_once_what_was_held_is_decided(tmp_path: Path) -> None:
    """The first is released, the others are dropped; the next run goes on from there."""
    made = next(h for h in map(history, range(100)) if len(_held(replayed(h.sent))) > 1)
    half = len(made.sent) * 3 // 4
    slow, store = replayed(made.sent[:half]), tmp_path / "store"
    run_all(made.sent[:half], store, tmp_path / "in", 10)
    ids = dict(read(store, "uploads").select("name", "upload_id").rows())
    decisions: tuple[Decision, ...] = ("release", "drop", "drop")
    for decision, answer in zip(decisions, _held(slow), strict=False):
        (slow.release if decision == "release" else slow.drop)(answer)
        decide_held(str(store), [ids[answer.upload]], decision, load_plan())
        _assert_same(stored(store), expected(slow))
    for one in made.sent[half:]:
        slow.take(one.name, one.payload, one.envelope)
    run_all(made.sent[half:], store, tmp_path / "later", 10)
    _assert_same(stored(store), expected(slow))


def _held(replay: Replay) -> list[Answer]:
    return [answer for answer in replay.answers if answer.status == "held"]


def _assert_same(real: dict[str, list[str]], slow: dict[str, list[str]]) -> None:
    for name, rows in slow.items():
        assert real[name] == rows, name

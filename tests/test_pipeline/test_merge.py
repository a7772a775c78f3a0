"""The merge against a dictionary that obeys the rules one record at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kernels import latest
from pipeline.merge import MergePolicy, Records, merge
from pipeline.state import MemoryState

ACTIONS = {"put": latest.PUT, "delete": latest.DELETE, "cancel": latest.CANCEL}


@dataclass(frozen=True)
class Sent:
    """One accepted record of a random history; its place in the list is its sequence."""

    key: int
    action: str
    institution: str
    visit_month: int
    received_month: int


def slow_merge(live: dict[int, tuple[str, int, int]], number: int, sent: Sent, window: int) -> int:
    """The obvious twin: key -> (institution, visit month, number of the record)."""
    held = live.get(sent.key)
    own = held is not None and held[0] == sent.institution
    if sent.action == "put":
        if held is not None and not own:
            return latest.NOT_OWN
        if held is not None and sent.received_month > held[1] + window:
            return latest.TOO_LATE
        live[sent.key] = (sent.institution, sent.visit_month, number)
        return latest.DONE
    if held is None:
        return latest.NOT_THERE
    if not own:
        return latest.NOT_OWN
    if sent.action == "delete":
        del live[sent.key]
    return latest.DONE


def merge_in_batches(
    history: list[Sent], cuts: list[int]
) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Key -> number of the record that holds it; outcome and "first" of each, by the real merge."""
    state = MemoryState()
    outcomes: list[tuple[int, int]] = []
    edges = [0, *sorted(cut % (len(history) + 1) for cut in cuts), len(history)]
    for start, stop in pairwise(edges):
        batch = history[start:stop]
        keys = np.array([[s.key, s.key % 3] for s in batch], np.uint64).reshape(-1, 2)
        entries, key = np.unique(state.entries(keys), return_inverse=True)
        records = Records(
            key.astype(np.int64),
            np.array([ACTIONS[s.action] for s in batch], np.uint8),
            np.array([state.institution_code(s.institution) for s in batch], np.int32),
            np.array([s.visit_month for s in batch], np.int32),
            np.array([s.received_month for s in batch], np.int32),
        )
        merged = merge(state.known(entries), records, MergePolicy())
        # A segment per record: the state then names the very record that holds each key.
        state.apply(entries, merged, (merged.latest + start).astype(np.int32))
        outcomes += zip(merged.outcome.tolist(), merged.first.tolist(), strict=True)
    ids = sorted({s.key for s in history})
    at = state.entries(np.array([[k, k % 3] for k in ids], np.uint64).reshape(-1, 2))
    held = state.segments(at)
    live = state.known(at).live
    return {k: int(n) for k, n, alive in zip(ids, held, live, strict=True) if alive}, outcomes


sent = st.builds(
    Sent,
    key=st.integers(0, 300),
    action=st.sampled_from(["put", "put", "put", "delete", "cancel"]),
    institution=st.sampled_from(["clinic", "hospital", "pharmacy"]),
    visit_month=st.integers(24_000, 24_004),
    received_month=st.integers(24_001, 24_005),
)


@given(st.lists(sent, max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_any_batching_ends_in_the_same_state(history: list[Sent], cuts: list[int]) -> None:
    live: dict[int, tuple[str, int, int]] = {}
    expected = []
    for n, s in enumerate(history):
        first = int(s.action == "put" and s.key not in live)
        expected.append((slow_merge(live, n, s, 1), first))
    holders, outcomes = merge_in_batches(history, cuts)
    assert outcomes == expected
    assert holders == {k: held[2] for k, held in live.items()}


def test_a_key_may_come_back_after_its_delete_from_anyone() -> None:
    history = [
        Sent(1, "put", "clinic", 24_000, 24_000),
        Sent(1, "put", "hospital", 24_000, 24_000),
        Sent(1, "delete", "clinic", 24_000, 24_000),
        Sent(1, "put", "hospital", 24_000, 24_000),
    ]
    holders, outcomes = merge_in_batches(history, [])
    assert [outcome for outcome, _ in outcomes] == [
        latest.DONE,
        latest.NOT_OWN,
        latest.DONE,
        latest.DONE,
    ]
    assert holders == {1: 3}


def test_the_window_is_the_live_versions_month() -> None:
    """A correction cannot move a visit back into the window by naming a later date."""
    history = [
        Sent(1, "put", "clinic", 24_000, 24_000),
        Sent(1, "put", "clinic", 24_009, 24_001),
        Sent(2, "put", "clinic", 24_000, 24_000),
        Sent(2, "put", "clinic", 24_009, 24_002),
    ]
    holders, outcomes = merge_in_batches(history, [2])
    assert [outcome for outcome, _ in outcomes] == [
        latest.DONE,
        latest.DONE,
        latest.DONE,
        latest.TOO_LATE,
    ]
    assert holders == {1: 1, 2: 2}


def test_the_table_grows_and_keeps_every_key() -> None:
    state = MemoryState()
    rng = np.random.default_rng(7)
    keys = rng.integers(0, 2**60, (20_000, 2)).astype(np.uint64)
    first = state.entries(keys)
    assert len(set(first.tolist())) == len(keys) == len(state)
    assert (state.entries(keys[::-1].copy()) == first[::-1]).all()

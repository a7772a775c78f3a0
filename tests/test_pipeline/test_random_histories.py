"""The random histories meet every row of docs/MERGE.md, so that what they prove is not blind."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from histories import history

from schemas.tables import ACTIONS

SEEDS = range(10)
ROWS = range(1, 23)
AT_LEAST = 4  # times in these ten histories; most rows far oftener


@cache
def seen() -> Counter[object]:
    """How often things happen in the histories: rows, actions, ways an upload ends."""
    counts: Counter[object] = Counter()
    for seed in SEEDS:
        replay = history(seed).replay
        for answer in replay.answers:
            counts[answer.status] += 1
            counts["records"] += len(answer.verdicts)
            counts["rejected"] += answer.rejected
            counts.update(f.row or ("stands" if f.stands else f.rule) for f in answer.findings)
        counts.update(action for action, _ in replay.history)
    return counts


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_met(row: int) -> None:
    assert seen()[row] >= AT_LEAST


def test_every_action_and_ending_is_met() -> None:
    assert {action for action in ACTIONS if seen()[action] >= AT_LEAST} == set(ACTIONS)
    assert seen()["held"] >= AT_LEAST
    assert seen()["stands"] >= 10 * AT_LEAST
    assert seen()["state/not-within-a-day"] >= AT_LEAST


def test_most_records_are_good_and_none_is_refused() -> None:
    assert seen()["rejected"] < seen()["records"] / 2
    assert seen()["refused"] == 0


def test_histories_are_of_hundreds_of_ids_at_every_institution() -> None:
    for seed in SEEDS:
        visits = [visit for _, visit in history(seed).replay.history]
        assert len({visit.key for visit in visits}) > 100
        assert len({visit.institution for visit in visits}) >= 4


def test_a_seed_gives_its_history_again() -> None:
    first = history(3)
    history.cache_clear()
    assert [one.payload for one in history(3).sent] == [one.payload for one in first.sent]

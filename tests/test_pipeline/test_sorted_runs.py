"""Sorting in runs against sorting at once, also where one value of ``high`` fills many runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store import sorted_runs
from pipeline.store.sorted_runs import SortedRuns

ROW = np.dtype([("high", "<u8"), ("low", "<u8"), ("number", "<i4")])
BY = ("high", "low", "number")


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 1 << 30), count=st.integers(0, 400),
    spread=st.sampled_from([1, 3, 50, 9999]), run_rows=st.sampled_from([1, 7, 40, 1000]),
)  # fmt: skip
def test_pieces_are_the_sorted_whole(
    seed: int, count: int, spread: int, run_rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, ROW)
    rows["high"] = rng.integers(0, spread, count).astype(np.uint64) + np.uint64((1 << 63) + 5)
    rows["low"] = rng.integers(0, 3, count)
    rows["number"] = rng.permutation(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_runs, "_LEAST_ROWS", 2)
        runs = SortedRuns(folder, "test", ROW, BY, run_rows)
        for part in np.array_split(rows, 7):
            runs.add(part)
        pieces = list(runs.merged())
    assert np.array_equal(np.concatenate(pieces), np.sort(rows, order=BY))
    highs = [high for piece in pieces for high in np.unique(piece["high"]).tolist()]
    assert len(highs) == len(set(highs))
    assert not list(folder.iterdir())


def test_memory_is_that_of_few_runs(tmp_path: Path) -> None:
    runs = SortedRuns(tmp_path, "test", ROW, BY, run_rows=10_000)
    rng = np.random.default_rng(3)
    for _ in range(40):
        part = np.zeros(5_000, ROW)
        part["high"] = rng.integers(0, 1 << 40, len(part))
        runs.add(part)
    assert max(len(piece) for piece in runs.merged()) <= 3 * 10_000

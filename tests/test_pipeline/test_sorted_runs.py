"""Sorting in runs against sorting at once, also where one value of ``high`` fills many runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("spread", [0, 1 << 40], ids=["one after the other", "all alike"])
def test_memory_is_that_of_few_runs(
    spread: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Counter[int]()
    fromfile = np.fromfile

    def counting(file: Any, *arguments: Any) -> Any:
        rows = fromfile(file, *arguments)
        loaded[0] += len(rows)
        loaded[1] = max(loaded[1], loaded[0])
        return rows

    monkeypatch.setattr(np, "fromfile", counting)
    runs = SortedRuns(tmp_path, "test", ROW, BY, run_rows=10_000)
    rng = np.random.default_rng(3)
    for number in range(40):
        part = np.zeros(5_000, ROW)
        part["high"] = rng.integers(0, spread + 1, len(part)) + number // 2 * 5
        runs.add(part)
    for piece in runs.merged():
        loaded[0] -= len(piece)
    assert loaded[0] == 0
    assert loaded[1] <= 3 * 10_000

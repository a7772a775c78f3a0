"""A state from the tables, whole or from where it was, against the one that lived it all."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from deltalake import DeltaTable
from histories import history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario import run_all

from pipeline.outcome import Mode
from pipeline.store import state_rebuild
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout
from pipeline.store.state_db import DATA, Marker, StateDb
from pipeline.store.state_rebuild import open_state, rebuild

Contents = list[tuple[str, bytes, bytes]]


class Told(list[str]):
    """Messages for people."""

    def __call__(self, message: str) -> None:
        self.append(message)


def contents(folder: Path) -> Contents:
    state = StateDb(folder)
    try:
        return list(state.contents())
    finally:
        state.close()


def marker(layout: Layout) -> Marker:
    """Where the tables are."""
    uploads = DeltaTable(layout.table("uploads")).to_pyarrow_table()["sequence"]
    return Marker(DeltaTables(layout).committed("uploads"), max(uploads.to_pylist()))


def opened(layout: Layout, mode: Mode, told: Told | None = None) -> Contents:
    state = open_state(layout, DeltaTables(layout), mode, marker(layout), told)
    assert state.marker == marker(layout)
    found = list(state.contents())
    state.close()
    return found


@pytest.mark.parametrize("mode", ["official", "precheck"])
def test_rebuilt_is_lived(mode: Mode, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    @settings(
        max_examples=60 if pytestconfig.getoption("--long") else 4, deadline=None, database=None,
        derandomize=True, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(seed=st.integers(0, 10**6), run_rows=st.sampled_from([3, 50, 10_000]))
    def holds(seed: int, run_rows: int) -> None:
        made, r = history(seed, precheck=mode == "precheck"), Random(seed)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        layout = Layout(folder / "store")
        cut = r.randrange(1, len(made.sent))
        run_all(made.sent[:cut], layout.root, folder / "in1", r.choice((1, 3, 100)))
        shutil.copytree(layout.state(mode), folder / "earlier")
        run_all(made.sent[cut:], layout.root, folder / "in2", r.choice((1, 3, 100)))
        lived = contents(layout.state(mode))
        assert lived, "nothing to compare"

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state_rebuild, "RUN_ROWS", run_rows)
            rebuild(layout, DeltaTables(layout), mode, marker(layout))
        assert contents(layout.state(mode)) == lived

        shutil.rmtree(layout.state(mode))
        shutil.copytree(folder / "earlier", layout.state(mode))
        assert opened(layout, mode) == lived

    holds()

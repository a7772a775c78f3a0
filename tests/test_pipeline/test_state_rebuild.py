"""A state from the tables, whole or from where it was, against the one that lived it all."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from deltalake import DeltaTable, write_deltalake
from histories import history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario import run_all

from pipeline.cli import main
from pipeline.errors import StoreUnusableError
from pipeline.outcome import Mode
from pipeline.store import state_rebuild
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout, layout_of
from pipeline.store.sorted_runs import SortedRuns
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
        max_examples=60 if pytestconfig.getoption("--long") else 2, deadline=None, database=None,
        derandomize=True, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(seed=st.integers(0, 10**6), run_rows=st.sampled_from([3, 50, 10_000]))
    def holds(seed: int, run_rows: int) -> None:
        made, r = history(seed, precheck=mode == "precheck"), Random(seed)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        layout = layout_of(folder / "store")
        cut = r.randrange(1, len(made.sent))
        run_all(made.sent[:cut], layout.root, folder / "in1", r.choice((5, 100)))
        shutil.copytree(layout.state(mode), folder / "earlier")
        run_all(made.sent[cut:], layout.root, folder / "in2", r.choice((5, 100)))
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


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store that took a history."""
    folder = tmp_path_factory.mktemp("taken")
    run_all(history(5, 30).sent, folder / "store", folder / "in", 7)
    return layout_of(folder / "store")


@pytest.fixture
def layout(taken: Layout, tmp_path: Path) -> Layout:
    """The same store, to be spoilt."""
    shutil.copytree(taken.root, tmp_path / "store")
    return layout_of(tmp_path / "store")


def _missing(state: Path) -> None:
    shutil.rmtree(state)


def _damaged(state: Path) -> None:
    (state / DATA).write_bytes(b"x" * (state / DATA).stat().st_size)


def _cut(state: Path) -> None:
    (state / DATA).write_bytes((state / DATA).read_bytes()[:-9_000])


def _ahead(state: Path) -> None:
    opened = StateDb(state)
    opened.put({b"of a later batch": b"x" * 80}, {}, {})
    opened.save(10_000, 10_000)
    opened.close()


@pytest.mark.parametrize("spoil", [_missing, _damaged, _cut, _ahead])
def test_a_state_of_no_use_is_built_anew_and_that_is_told(
    spoil: Callable[[Path], None], layout: Layout
) -> None:
    told = Told()
    lived = contents(layout.state("official"))
    spoil(layout.state("official"))
    assert opened(layout, "official", told) == lived
    assert len(told) == 1
    assert "重建" in told[0]
    assert opened(layout, "official", told) == lived
    assert len(told) == 1


def test_numbers_that_came_to_nothing_are_taken_back(layout: Layout) -> None:
    told, now = Told(), marker(layout)
    lived = contents(layout.state("official"))
    state = StateDb(layout.state("official"))
    state.save(now.batch, now.sequence + 3)
    state.close()
    assert opened(layout, "official", told) == lived
    assert not told


def test_far_behind_is_built_anew(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    lived = contents(layout.state("official"))
    state = StateDb(layout.state("official"))
    state.save(1, 1)
    state.close()
    monkeypatch.setattr(state_rebuild, "CATCH_UP_ROWS", 1)
    assert opened(layout, "official", told) == lived
    assert "far behind" in told[0]


@pytest.mark.parametrize("step", ["building", "set aside", "in place"])
def test_a_rebuild_may_be_cut_short_anywhere(step: str, layout: Layout) -> None:
    folder = layout.state("official")
    part, old = (folder.with_name(folder.name + end) for end in (".part", ".old"))
    lived = contents(folder)
    if step == "building":
        part.mkdir()
        (part / "moments-00000.run").write_bytes(b"some")
    elif step == "set aside":
        folder.rename(old)
        part.mkdir()
    else:
        shutil.copytree(folder, old)
    told = Told()
    assert opened(layout, "official", told) == lived
    assert not told
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_disk_that_is_full_leaves_the_state_as_it_was(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived = contents(layout.state("official"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SortedRuns, "add", full)
    with pytest.raises(OSError, match="No space"):
        rebuild(layout, DeltaTables(layout), "official", marker(layout))
    assert contents(layout.state("official")) == lived


def test_tables_that_contradict_each_other_are_told(layout: Layout) -> None:
    """A ledger that names a dispensing which no visit is."""
    path = layout.table("prescriptions")
    rows = DeltaTable(path).to_pyarrow_table()
    status, by = rows["status"].to_pylist(), rows["by_treatment_id"].to_pylist()
    dispensed = status.index("dispensed")
    by[dispensed] = "SM" + "0" * 18  # which no visit has
    at = rows.column_names.index("by_treatment_id")
    write_deltalake(path, rows.set_column(at, rows.schema.field(at), [by]), mode="overwrite")
    with pytest.raises(StoreUnusableError, match="store verify"):
        rebuild(layout, DeltaTables(layout), "official", marker(layout))


def test_the_command_builds_both_states_anew(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    lived = contents(layout.state("official"))
    shutil.rmtree(layout.state("official"))
    command = ["store", "rebuild-state", "--store", str(layout.root)]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("official")
    assert contents(layout.state("official")) == lived
    assert contents(layout.state("precheck")) == []
    assert main([*command, "--mode", "official", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["mode"], told["moments"]) == ("official", sum(n == "moments" for n, *_ in lived))
    assert main(["store", "rebuild-state", "--store", str(layout.root / "nothing")]) == 70

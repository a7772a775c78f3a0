"""Killed, full, read-only, taken: the store is always as before or as after a commit."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from store_oracle import contents

from pipeline.errors import StoreBusyError, StoreUnusableError, StoreWriteError
from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.run import RunOptions, run
from pipeline.store.store import open_store
from rules import load_plan

ROOT = Path(__file__).parents[2]
OPTIONS = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=4, commit_uploads=4, wait_seconds=0.2)
CHILD = """
import resource, sys
from pipeline.generate import DEFAULT_AS_OF
from pipeline.run import RunOptions, run
from rules import load_plan
folder, store, most_bytes = sys.argv[1:]
if int(most_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_bytes), int(most_bytes)))
options = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=4, commit_uploads=4)
print("ready", flush=True)
run([folder], store, load_plan(), options)
"""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    generate(240, 16, 3, 0.05, folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(country: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    store = new_store(tmp_path_factory.mktemp("undisturbed") / "store")
    run([country], store, load_plan(), OPTIONS)
    return contents(store)


def new_store(path: Path) -> Path:
    """A store of one bucket, so that a commit has few files."""
    with open_store(path, buckets=1):
        return path


def start(folder: Path, store: Path, most_bytes: int = 0) -> subprocess.Popen[str]:
    """A run in a process of its own, which has begun when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(store), str(most_bytes)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_run_killed_again_and_again_ends_as_if_undisturbed(
    country: Path, undisturbed: dict[str, list[str]], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    store, rng = new_store(tmp_path / "store"), random.Random(4)
    longest = time.monotonic()
    with start(country, tmp_path / "measured") as child:
        child.communicate()
    longest = time.monotonic() - longest
    for _ in range(40 if pytestconfig.getoption("--long") else 4):
        with start(country, store) as child:
            time.sleep(rng.uniform(0, longest))
            child.send_signal(signal.SIGKILL)
            child.communicate()
    run([country], store, load_plan(), OPTIONS)
    assert contents(store) == undisturbed


def at_every_sync(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
    """Call ``then`` with a running number before each time something is made durable."""
    really, count = os.fsync, 0

    def fsync(handle: int) -> None:
        nonlocal count
        count += 1
        then(count)
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def test_any_moment_of_a_commit_can_be_the_last(
    country: Path,
    undisturbed: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store's folder as it is at each step of the second commit, continued from there."""
    paths, store = sorted(country.glob("*.xml")), new_store(tmp_path / "store")
    run(paths[:4], store, load_plan(), OPTIONS)
    with monkeypatch.context() as patched:
        at_every_sync(patched, lambda n: shutil.copytree(store, tmp_path / f"moment-{n}") and None)
        run(paths[4:8], store, load_plan(), OPTIONS)
    moments = sorted(tmp_path.glob("moment-*"), key=lambda p: int(p.name.split("-")[1]))
    assert len(moments) > 20
    sizes = set()
    for moment in moments:
        sizes.add(len(contents(after_recovery(moment))["uploads"]))
        run([country], moment, load_plan(), OPTIONS)
        assert contents(moment) == undisturbed
        assert not list((moment / "journal").iterdir())
        strays = set(moment.rglob("*.parquet")) - committed_or_removed(moment)
        assert not strays
    assert sizes == {4, 8}


def after_recovery(store: Path) -> Path:
    with open_store(store):
        return store


def committed_or_removed(store: Path) -> set[Path]:
    """Every data file that any table's log names."""
    named = set()
    for log in store.glob("tables/*/_delta_log/*.json"):
        for part in log.read_text(encoding="utf-8").split('"path":"')[1:]:
            named.add(log.parent.parent / part.split('"')[0])
    return named


@pytest.mark.parametrize("failing", [1, 3, 8, 14, 20, 25])
def test_a_full_disk_is_told_and_the_next_run_completes(
    country: Path,
    undisturbed: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    store = new_store(tmp_path / "store")

    def full(number: int) -> None:
        if number >= failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        at_every_sync(patched, full)
        with pytest.raises(StoreWriteError, match="Free disk space"):
            run([country], store, load_plan(), OPTIONS)
    run([country], store, load_plan(), OPTIONS)
    assert contents(store) == undisturbed


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_outcome_whose_journal_entry_is_there_keeps_its_data_files(
    country: Path,
    undisturbed: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[BaseException],
) -> None:
    store = new_store(tmp_path / "store")

    def stop_behind_the_entry(_: int) -> None:
        if list(store.glob("journal/*.json")):
            raise fault

    with monkeypatch.context() as patched:
        at_every_sync(patched, stop_behind_the_entry)
        with pytest.raises((KeyboardInterrupt, StoreWriteError)):
            run([country], store, load_plan(), OPTIONS)
    run([country], store, load_plan(), OPTIONS)
    assert contents(store) == undisturbed


def test_files_that_may_not_grow(
    country: Path, undisturbed: dict[str, list[str]], tmp_path: Path
) -> None:
    """The system itself refuses to write: the archive, or a data file, whichever is first."""
    store = new_store(tmp_path / "store")
    with start(country, store, most_bytes=70_000) as child:
        _, said = child.communicate()
    assert child.returncode == 1
    assert "StoreWriteError" in said
    run([country], store, load_plan(), OPTIONS)
    assert contents(store) == undisturbed


def test_a_second_process_waits_and_then_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with (
        open_store(tmp_path / "store"),
        pytest.raises(StoreBusyError, match="run again when it has finished"),
        open_store(tmp_path / "store", wait_seconds=0.1, waiting=told.append),
    ):
        pass
    assert "The store is in use" in told[0]


def test_a_store_that_can_not_be_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.lock").mkdir()
    with pytest.raises(StoreWriteError, match="mend the permissions"), open_store(tmp_path):
        pass


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"precious")
    with pytest.raises(StoreUnusableError, match=r"thesis\.doc"), open_store(tmp_path):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"thesis.doc", "store.lock"}


def test_tables_that_another_program_rewrote_are_told(country: Path, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    store = new_store(tmp_path / "store")
    run([country], store, load_plan(), OPTIONS)
    DeltaTable(store / "tables" / "visits").optimize.compact()
    with pytest.raises(StoreUnusableError, match="another program"), open_store(store):
        pass

"""Folders that can't be opened as a store, and outcomes that stop half-way in this very process."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from crash.jobs import PLAN
from crash.uploads import write_uploads
from crash.whole import Said, difference, said

from pipeline.errors import StoreUnusableError, StoreWriteError
from pipeline.generate import DEFAULT_AS_OF
from pipeline.run import RunOptions, run
from pipeline.store.store import open_store

OPTIONS = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=4, commit_uploads=4)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_uploads(tmp_path_factory.mktemp("in"))


@pytest.fixture(scope="module")
def undisturbed(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = tmp_path_factory.mktemp("undisturbed")
    return taken(sources, folder)


def taken(sources: list[str], folder: Path) -> Said:
    """What a store says after all uploads."""
    with open_store(folder / "store", buckets=1):
        pass
    run(sources, folder / "store", PLAN, OPTIONS)
    return said(folder / "store", folder / "none")


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_outcome_whose_journal_entry_is_there_keeps_its_data_files(
    sources: list[str],
    undisturbed: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[BaseException],
) -> None:
    really, store = os.fsync, tmp_path / "store"
    with open_store(store, buckets=1):
        pass

    def stop_behind_the_entry(handle: int) -> None:
        if list(store.glob("journal/*.json")):
            raise fault
        really(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", stop_behind_the_entry)
        with pytest.raises((KeyboardInterrupt, StoreWriteError)):
            run(sources, store, PLAN, OPTIONS)
    assert not difference(taken(sources, tmp_path), undisturbed)


def test_files_that_may_not_grow(sources: list[str], undisturbed: Said, tmp_path: Path) -> None:
    """The system itself refuses to write the first file that is larger than some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StoreWriteError, match="Free disk space"):
            taken(sources, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not difference(taken(sources, tmp_path), undisturbed)


def test_a_store_that_can_not_be_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.lock").mkdir()
    with pytest.raises(StoreWriteError, match="mend the permissions"), open_store(tmp_path):
        pass


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"precious")
    with pytest.raises(StoreUnusableError, match=r"thesis\.doc"), open_store(tmp_path):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"thesis.doc", "store.lock"}


def test_tables_that_another_program_rewrote_are_told(sources: list[str], tmp_path: Path) -> None:
    from deltalake import DeltaTable

    taken(sources, tmp_path)
    DeltaTable(tmp_path / "store" / "tables" / "visits").optimize.compact()
    with pytest.raises(StoreUnusableError, match="another program"), open_store(tmp_path / "store"):
        pass

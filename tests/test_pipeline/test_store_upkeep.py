"""Compaction and vacuum change no row, leave readers alone, and take only what nobody needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable
from store_oracle import contents, table

from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.run import RunOptions, run
from pipeline.store import compaction
from pipeline.store.compaction import Compacted, compact
from pipeline.store.datafiles import DataFile
from pipeline.store.groups import FileGroup
from pipeline.store.opening import open_tables
from pipeline.store.store import open_store
from pipeline.store.vacuum import vacuum
from rules import load_plan

OPTIONS = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=3, commit_uploads=3)
DAY = 24 * 3600


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    generate(200, 15, 17, 0.05, folder)
    return folder


@pytest.fixture
def store(country: Path, tmp_path: Path) -> Path:
    """Ten uploads in four commits, and as many of a pre-check."""
    paths = sorted(country.glob("*.xml"))[:10]
    with open_store(tmp_path / "store", buckets=2):
        pass
    run(paths, tmp_path / "store", load_plan(), OPTIONS)
    run(paths[:4], tmp_path / "store", load_plan(), RunOptions(
        mode="precheck", received_at=DEFAULT_AS_OF, batch_uploads=2, commit_uploads=2
    ))  # fmt: skip
    return tmp_path / "store"


def compacted(store: Path) -> list[Compacted]:
    with open_tables(store) as held:
        return compact(held)


def vacuumed(store: Path, hours: int, *, dry_run: bool = False) -> set[Path]:
    with open_tables(store) as held:
        found = list(vacuum(held, hours, dry_run=dry_run))
    return {store / "tables" / one.table / path for one in found for path in one.paths}


def data_files(store: Path) -> set[Path]:
    return set((store / "tables").rglob("*.parquet")) - set(
        (store / "tables").rglob("*.checkpoint.parquet")
    )


def test_compaction_changes_no_row_and_a_later_run_goes_on(
    country: Path, store: Path, tmp_path: Path
) -> None:
    before = contents(store)
    done = {one.tables: one for one in compacted(store)}
    assert contents(store) == before
    assert {("visits", "orders"), ("history",), ("findings",), ("uploads",), ("batches",)} <= set(
        done
    )
    assert all(one.files_after < one.files_before for one in done.values())
    places = table(store, "uploads").height
    assert len(DeltaTable(store / "tables" / "uploads").file_uris()) == 1
    assert compacted(store) == []
    run([country], store, load_plan(), OPTIONS)
    assert table(store, "uploads").height > places
    undisturbed = tmp_path / "undisturbed"
    with open_store(undisturbed, buckets=2):
        pass
    run([country], undisturbed, load_plan(), OPTIONS)
    run(sorted(country.glob("*.xml"))[:4], undisturbed, load_plan(), RunOptions(
        mode="precheck", received_at=DEFAULT_AS_OF
    ))  # fmt: skip
    assert contents(store) == contents(undisturbed)


def test_compaction_goes_step_by_step(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "STEP_BYTES", 1)
    monkeypatch.setattr(compaction, "WORTH_JOINING", 2)
    before = contents(store)
    version = DeltaTable(store / "tables" / "visits").version()
    compacted(store)
    assert contents(store) == before
    assert DeltaTable(store / "tables" / "visits").version() > version + 1


def test_full_files_are_left_alone() -> None:
    sizes = [*range(1, 6), 100, *range(6, 9), 60, 49, 48, 47]
    files = [
        FileGroup((), (DataFile(f"{n}", size << 20, 1, {}, "", 0, low=n),))
        for n, size in enumerate(sizes)
    ]
    full = compaction.FULL_BYTES >> 20
    joined = [[g.size >> 20 for g in some] for some in compaction._bins(files)]
    assert joined == [[1, 2, 3, 4, 5, 6, 7]]
    assert all(sum(some) <= full for some in joined)


def test_batches_names_versions_of_after_the_compaction(store: Path) -> None:
    compacted(store)
    last = table(store, "batches").sort("batch").to_dicts()[-1]
    for name, version in last["versions"].items():
        assert DeltaTable(store / "tables" / name).version() == version


def test_a_reader_that_opened_before_reads_to_the_end(store: Path) -> None:
    readers = {name: DeltaTable(store / "tables" / name) for name in ("visits", "orders")}
    rows = {name: reader.to_pyarrow_table().num_rows for name, reader in readers.items()}
    compacted(store)
    assert vacuumed(store, 168) == set()
    for name, reader in readers.items():
        assert reader.to_pyarrow_table().num_rows == rows[name]


def test_vacuum_takes_what_no_version_of_the_last_hours_has(store: Path) -> None:
    before = contents(store)
    old = data_files(store)
    compacted(store)
    orphans = {store / "tables" / "visits" / name for name in ("old.parquet", "young.parquet")}
    for orphan in orphans:
        orphan.write_bytes(b"left by a crash")
    os.utime(min(orphans), (time.time() - 8 * DAY,) * 2)
    assert vacuumed(store, 168, dry_run=True) == vacuumed(store, 168) == {min(orphans)}
    gone = vacuumed(store, 0, dry_run=True)
    assert max(orphans) in gone
    assert gone <= data_files(store)
    assert vacuumed(store, 0) == gone
    assert data_files(store) & gone == set()
    assert old & gone
    assert contents(store) == before


def test_checkpoints_shorten_the_log(store: Path) -> None:
    with open_tables(store) as held:
        held.tables.checkpoint("visits")
    log = store / "tables" / "visits" / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    before = contents(store)
    for commit in sorted(log.glob("*.json"))[:-1]:
        commit.unlink()  # as a cleanup does after thirty days
    assert contents(store) == before


@pytest.mark.parametrize("torn", [b"", b'{"commitInfo":{"times'], ids=["empty", "in part"])
def test_a_commit_torn_by_a_power_failure_is_brought_again(
    country: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bytes
) -> None:
    """The journal is forgotten only once the commit is durable."""
    from pipeline.store.journal import Journal

    store = tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "forget", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(sorted(country.glob("*.xml"))[:3], store, load_plan(), OPTIONS)
    with open_tables(store) as held:
        expected = contents(store)
        held.tables.checkpoint("visits")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "forget", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(sorted(country.glob("*.xml"))[3:6], store, load_plan(), OPTIONS)
    whole = contents(store)
    log = store / "tables" / "visits" / "_delta_log"
    max(log.glob("*.json")).write_bytes(torn)
    max(log.glob("*.checkpoint.parquet")).write_bytes(torn)
    with open_tables(store):
        assert contents(store) == whole != expected

"""Current tables after random changes hold just what a dictionary holds, and rewrite no more."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from store_tables import Version, changes, current_visits, orders_of, partition_of, tables_of

from pipeline.errors import StoreUnusableError
from pipeline.store import current
from pipeline.store.committer import Committer
from pipeline.store.current import CurrentTables
from pipeline.store.delta import TableCommit


def commit(committer: Committer, tables: CurrentTables) -> None:
    """``uploads`` gets every batch, for its number is the store's."""
    tables.freeze()
    committer.commit(lambda batch: [*tables.write(batch), TableCommit("uploads", ())])
    tables.committed()


def held(store: Path) -> tuple[list[Version], dict[Version, int]]:
    """The versions in ``visits``, in order, and how many orders of each are in ``orders``."""
    found = []
    for row in DeltaTable(store / "tables" / "visits").to_pyarrow_table().to_pylist():
        assert (row["visit_month"], row["bucket"]) == partition_of(row["visit_key"])
        found.append((row["visit_key"], row["sequence"]))
    counts: dict[Version, int] = {}
    for row in DeltaTable(store / "tables" / "orders").to_pyarrow_table().to_pylist():
        version = row["visit_key"], row["sequence"]
        counts[version] = counts.get(version, 0) + 1
    return sorted(found), counts


def change(tables: CurrentTables, rng: random.Random, live: dict[str, int], sequence: int) -> None:
    """Some visits come, others go."""
    names = {f"v{rng.randint(0, 60)}" for _ in range(rng.randint(1, 12))}
    stay = {name for name in names if rng.random() < 0.8}
    tables.apply(
        changes(
            [(n, live.pop(n)) for n in sorted(names & live.keys())],
            [(n, sequence) for n in sorted(stay)],
        )
    )
    live |= dict.fromkeys(stay, sequence)


def expected(live: dict[str, int]) -> tuple[list[Version], dict[Version, int]]:
    versions = sorted(live.items())
    return versions, {version: n for version in versions if (n := orders_of(version))}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("joined_rows", [3, 20_000])
def test_random_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, joined_rows: int
) -> None:
    """Several uploads a commit, several commits an opening; small files are joined or not."""
    monkeypatch.setattr(current, "JOINED_ROWS", joined_rows)
    monkeypatch.setattr(current, "SMALL_FILES", 4)
    rng, live, sequence = random.Random(seed), dict[str, int](), 0
    for _ in range(3):
        with tables_of(tmp_path) as committer:
            tables = current_visits(committer)
            for _ in range(3):
                for _ in range(rng.randint(1, 4)):
                    sequence += 1
                    change(tables, rng, live, sequence)
                commit(committer, tables)
        assert held(tmp_path) == expected(live)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("joined_rows", [3, 20_000])
def test_random_changes_while_a_commit_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, joined_rows: int
) -> None:
    """What comes after the freezing, before the files or after them, is the next commit's."""
    monkeypatch.setattr(current, "JOINED_ROWS", joined_rows)
    monkeypatch.setattr(current, "SMALL_FILES", 4)
    rng, live, sequence = random.Random(seed), dict[str, int](), 0
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        for _ in range(8):
            tables.freeze()
            frozen = expected(live)
            for _ in range(rng.randint(0, 3)):
                sequence += 1
                change(tables, rng, live, sequence)

            def write(batch: int) -> list[TableCommit]:
                return [*tables.write(batch), TableCommit("uploads", ())]

            committer.commit(write)
            sequence += 1
            change(tables, rng, live, sequence)
            found = tables.rows_of(np.arange(sequence + 1), ["visit_key", "sequence"]).to_pylist()
            versions = {(row["visit_key"], row["sequence"]) for row in found}
            assert versions.issuperset(live.items())
            tables.committed()
            assert held(tmp_path) == frozen
        commit(committer, tables)
    assert held(tmp_path) == expected(live)


def test_a_version_may_come_back_as_it_was(tmp_path: Path) -> None:
    """A ledger row that is cancelled and opened again is as before, sequence and all."""
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        tables.apply(changes([], [("v1", 1)]))
        commit(committer, tables)
        tables.apply(changes([("v1", 1)], [("v1", 2)]))
        tables.apply(changes([("v1", 2)], [("v1", 1)]))
        commit(committer, tables)
    assert held(tmp_path) == expected({"v1": 1})


@pytest.mark.parametrize(
    "gone",
    [[("v2", 1)], [("v1", 2)], [("v1", 1), ("v5", 1)]],
    ids=["key", "sequence", "one of two"],
)
def test_what_is_not_there_can_not_go(tmp_path: Path, gone: list[Version]) -> None:
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        tables.apply(changes([], [("v1", 1)]))
        commit(committer, tables)
        tables.apply(changes(gone, []))
        with pytest.raises(StoreUnusableError, match="lacks 1 rows that should be live"):
            commit(committer, tables)
    assert held(tmp_path) == expected({"v1": 1})


def test_nothing_goes_twice(tmp_path: Path) -> None:
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        tables.apply(changes([], [("v1", 1)]))
        commit(committer, tables)
        for _ in range(2):
            tables.apply(changes([("v1", 1)], []))
        with pytest.raises(StoreUnusableError, match="lacks 1 rows"):
            commit(committer, tables)


def test_only_files_that_hold_a_version_that_goes_are_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "JOINED_ROWS", 0)
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        for sequence in range(1, 6):
            tables.apply(changes([], [(f"v{4 * sequence + n}", sequence) for n in range(4)]))
            commit(committer, tables)
        before = set(DeltaTable(tmp_path / "tables" / "visits").file_uris())
        tables.apply(changes([("v12", 3)], []))
        commit(committer, tables)
    after = set(DeltaTable(tmp_path / "tables" / "visits").file_uris())
    assert (len(before), len(before - after), len(after - before)) == (20, 1, 0)


def test_small_files_do_not_gather(tmp_path: Path) -> None:
    with tables_of(tmp_path) as committer:
        tables = current_visits(committer)
        for sequence in range(1, 3 * current.SMALL_FILES):
            tables.apply(changes([], [(f"v{4 * sequence}", sequence)]))
            commit(committer, tables)
    files = DeltaTable(tmp_path / "tables" / "visits").file_uris()
    assert len(files) <= current.SMALL_FILES

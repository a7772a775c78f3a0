"""Tables kept open: read as they are now, opened anew only for a commit. Ids tell their moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st
from report_store import make_store, upload

from pipeline.errors import StoreUnusableError
from pipeline.store import read
from pipeline.store.delta import open_delta
from pipeline.store.files import Files
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.upload_ids import is_upload_id, least_upload_id, new_upload_id

EMPTY = pl.Schema({"upload_id": pl.String()})


def ids(tables: KeptTables, name: str = "uploads") -> list[str]:
    return sorted(tables.snapshot(name).scan(name, EMPTY).collect()["upload_id"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store", uploads=[upload("a", "3500000001", 1)])


def commit(store: Path, upload_id: str) -> None:
    table = DeltaTable(layout_of(store).table("uploads"))
    rows = table.to_pyarrow_table()
    names = rows.column_names
    index = names.index("upload_id")
    other = rows.slice(0, 1).set_column(index, rows.schema.field(index), [[upload_id]])
    write_deltalake(table, other, mode="append")


def test_a_commit_is_seen_at_once(store: Path) -> None:
    tables = KeptTables(str(store))
    assert ids(tables) == ["a"]
    before = tables.snapshot("uploads")
    commit(store, "b")
    assert ids(tables) == ["a", "b"]
    assert before.scan("uploads", EMPTY).collect()["upload_id"].to_list() == ["a"]


def test_without_a_commit_nothing_is_opened(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counting(files: Files) -> DeltaTable:
        opened.append(files.uri.rpartition("/")[2])
        return open_delta(files)

    monkeypatch.setattr(read, "open_delta", counting)
    tables = KeptTables(str(store))
    for _ in range(3):
        ids(tables)
    assert opened == ["uploads"]
    commit(store, "b")
    ids(tables)
    assert opened == ["uploads"] * 2


def test_a_table_that_comes_later_is_seen_then(store: Path) -> None:
    tables = KeptTables(str(store))
    assert ids(tables, "held") == []
    later = layout_of(store).table("held")
    layout_of(store).table("uploads").rename(later)
    assert ids(tables, "held") == ["a"]


def test_no_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError):
        KeptTables(str(tmp_path / "nothing"))


@given(at=st.datetimes(datetime(2022, 1, 1), datetime(2090, 1, 1)), later=st.integers(1, 10**9))
def test_ids_stand_in_the_order_of_their_moments(at: datetime, later: int) -> None:
    moment = at.replace(tzinfo=UTC)
    made = new_upload_id(moment)
    assert is_upload_id(made)
    assert least_upload_id(moment) <= made < least_upload_id(moment + timedelta(milliseconds=later))
    assert not is_upload_id(made.lower())
    assert not is_upload_id(made[:-1])

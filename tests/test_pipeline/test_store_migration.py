"""A store of format 1 is brought up to date: no row is lost, the ledger appears, runs go on."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from store_oracle import table

from pipeline.errors import StoreUnusableError
from pipeline.generate import DEFAULT_AS_OF
from pipeline.merge.keys import buckets_of, code_ids, columns_of_table
from pipeline.run import RunOptions, run
from pipeline.store import migration
from pipeline.store.archive import read_archived
from pipeline.store.layout import FORMAT, layout_of, read_config
from pipeline.store.opening import open_tables
from pipeline.store.verify import verify
from rules import load_plan

FIXTURE = Path(__file__).parents[1] / "fixtures" / "stores" / "format-1.zip"
OLD_TABLES = ("visits", "orders", "history", "findings", "uploads", "batches", "precheck_visits",
              "precheck_orders", "precheck_history")  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with zipfile.ZipFile(FIXTURE) as packed:
        packed.extractall(tmp_path)
    return tmp_path / "store"


def rows(store: Path, name: str) -> list[str]:
    found = table(store, name)
    return sorted(repr(row) for row in found.drop("bucket", strict=False).to_dicts())


def migrated(store: Path) -> list[str]:
    told: list[str] = []
    with open_tables(store, tell=told.append):
        return told


def problems(store: Path) -> list[str]:
    return [problem for one in verify(store) for problem in one.found.problems]


def test_old_rows_stay_and_the_ledger_appears(old: Path) -> None:
    files = {p: p.read_bytes() for p in (old / "tables").rglob("*.parquet")}
    before = {name: rows(old, name) for name in OLD_TABLES}
    (told,) = migrated(old)
    assert "format 1 to 3" in told
    config = read_config(layout_of(old))
    assert config
    assert (config.format, config.buckets) == (FORMAT, 2)
    assert {p: p.read_bytes() for p in files} == files  # added to, never rewritten
    for name in ("visits", "orders", "history", "uploads"):
        assert len(rows(old, name)) > len(before[name])  # what the journal still held
    for name in ("precheck_visits", "precheck_orders", "precheck_history"):
        assert rows(old, name) == before[name]
    assert table(old, "findings")["stands_upload_id"].null_count() == len(rows(old, "findings"))
    assert not list((old / "journal").iterdir())
    assert problems(old) == []
    assert migrated(old) == []


def test_rows_are_moved_to_the_buckets_they_are_looked_for_in(old: Path) -> None:
    before = table(old, "visits").select("visit_key", "bucket").sort("visit_key")
    migrated(old)
    for name, key in (("visits", "M15"), ("orders", "treatment_id"), ("precheck_visits", "M15"),
                      ("prescriptions", "prescription_id")):  # fmt: skip
        found = table(old, name)
        keys, normal = code_ids(columns_of_table(found.to_arrow())(key))
        right = buckets_of(keys, 2)[normal == 1].tolist()
        assert found["bucket"].to_numpy()[normal == 1].tolist() == right, name
    after = table(old, "visits").select("visit_key", "bucket").sort("visit_key")
    both = before.join(after, on="visit_key")
    assert (both["bucket"] != both["bucket_right"]).sum() > 50


def test_the_ledger_is_that_of_the_visits(old: Path) -> None:
    migrated(old)
    ledger, visits = table(old, "prescriptions"), table(old, "visits")
    assert {"open", "dispensed"} <= set(ledger["status"])
    issuers = visits.filter(
        ~pl.col("M07").is_in(["AE", "AF"]), pl.col("M26").cast(pl.Int32, strict=False) > 1
    )
    assert issuers.height > 10
    for issuer in issuers.to_dicts():
        refills = ledger.filter(
            pl.col("prescription_id") == issuer["M15"], pl.col("kind") == "chronic"
        )
        assert refills["refill"].sort().to_list() == list(range(1, int(issuer["M26"]) + 1))
        assert set(refills["institution"]) == {issuer["institution"]}
    by = ledger.filter(pl.col("status") == "dispensed").select("by_treatment_id").unique()
    assert by.join(visits, left_on="by_treatment_id", right_on="visit_key", how="anti").is_empty()


def test_a_run_goes_on_where_the_old_program_stopped(old: Path, tmp_path: Path) -> None:
    """All that was sent, sent again under other names: corrections of what is live."""
    migrated(old)
    before = table(old, "visits").sort("visit_key")
    uploads = table(old, "uploads").filter(
        pl.col("redelivery_of").is_null(), mode="official", status="done"
    )
    again = tmp_path / "again"
    again.mkdir()
    for row in uploads.to_dicts():
        payload = read_archived(old / "raw", bytes.fromhex(row["sha256"]))
        (again / f"{row['sequence']:04d}.xml").write_bytes(payload)
    summary = run([again], old, load_plan(), RunOptions(received_at=DEFAULT_AS_OF))
    assert summary.done == uploads.height
    after = table(old, "visits").sort("visit_key")
    assert after["visit_key"].to_list() == before["visit_key"].to_list()
    assert (after["sequence"] > before["sequence"]).sum() > 100
    assert problems(old) == []


def test_reading_commands_say_what_to_do(old: Path) -> None:
    with pytest.raises(StoreUnusableError, match="nhi-upload store migrate"):
        read_config(layout_of(old))


def test_a_newer_store_is_left_alone(old: Path) -> None:
    (old / "store.json").write_text(json.dumps({"format": FORMAT + 1, "buckets": 2}))
    with pytest.raises(StoreUnusableError, match=f"format {FORMAT + 1}"), open_tables(old):
        pass


def test_a_migration_that_is_cut_short_goes_on(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before and after everything it does, one thing further each time."""
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    migrated(whole)
    tables = migration.DeltaTables
    stops = [
        (migration.shutil, "rmtree"), (migration, "_set_aside"), (tables, "create_missing"),
        (tables, "add_missing_columns"), (tables, "commit"), (migration, "Committer"),
        (migration, "append"), (migration, "write_config"),
    ]  # fmt: skip
    for place, name in stops:
        for after in (False, True):
            with monkeypatch.context() as patched:
                patched.setattr(place, name, stopping(getattr(place, name), after=after))
                with pytest.raises(KeyboardInterrupt):
                    migrated(old)
    migrated(old)
    for name in ("visits", "orders", "prescriptions", "precheck_prescriptions", "findings"):
        assert rows(old, name) == rows(whole, name)
    assert not list((old / "tables").glob("*.old"))
    assert problems(old) == []


def stopping(really: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def stop(*given: Any, **named: Any) -> Any:
        if after:
            really(*given, **named)
        raise KeyboardInterrupt

    return stop


def test_what_is_only_added_to_is_never_rewritten(old: Path) -> None:
    migrated(old)
    for name in ("history", "findings", "batches", "precheck_history"):
        logs = (old / "tables" / name / "_delta_log").glob("*.json")
        assert not any('{"remove"' in log.read_text() for log in logs), name

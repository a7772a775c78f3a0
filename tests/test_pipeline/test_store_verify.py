"""A whole store passes; every kind of damage is found by the check that is for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.cli import main
from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.run import RunOptions, run
from pipeline.store.verify import verify
from rules import load_plan

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
SAMPLE_MOMENT = datetime.fromisoformat("2025-04-02T20:55:00+08:00")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of official uploads, a pre-check, refusals and redeliveries."""
    folder, store = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("made") / "store"
    generate(250, 12, 9, 0.1, folder)
    options = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=4, commit_uploads=6)
    for _ in range(2):
        run([folder], store, load_plan(), options)
    run([SAMPLES], store, load_plan(), RunOptions(received_at=SAMPLE_MOMENT))
    run([SAMPLES], store, load_plan(), RunOptions(mode="precheck", received_at=SAMPLE_MOMENT))
    return store


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def failed(store: Path) -> dict[str, tuple[str, ...]]:
    return {one.check.name: one.found.problems for one in verify(store) if not one.ok}


def test_a_whole_store(whole: Path) -> None:
    looked_at = {one.check.name: one.found.looked_at for one in verify(whole)}
    assert failed(whole) == {}
    unsent = {"journal", "v1/visits", "v1/orders", "v1/state"}
    assert {name for name, count in looked_at.items() if not count} <= unsent


def change(table: str, update: dict[str, str], where: str) -> Callable[[Path], object]:
    """Another program changes rows."""
    return lambda store: DeltaTable(store / "tables" / table).update(
        predicate=where, updates=update
    )


def take(table: str, where: str) -> Callable[[Path], object]:
    return lambda store: DeltaTable(store / "tables" / table).delete(where)


def twice(table: str) -> Callable[[Path], object]:
    """A row comes once more."""

    def again(store: Path) -> None:
        found = DeltaTable(store / "tables" / table)
        write_deltalake(found, found.to_pyarrow_table().slice(0, 1), mode="append")

    return again


def spoil_archive(store: Path) -> None:
    pack = store / "raw" / "pack-000001.zst"
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.write_bytes(data)


def journalled(store: Path) -> None:
    (store / "journal" / "open").write_bytes(b"99")


def lose_a_file(store: Path) -> None:
    next((store / "tables" / "orders").rglob("*.parquet")).unlink()


def lengthen_a_file(store: Path) -> None:
    with next((store / "tables" / "history").glob("*.parquet")).open("ab") as file:
        file.write(b"!")


def spoil_state(store: Path) -> None:
    from pipeline.store.state_db import StateDb

    state = StateDb(store / "state" / "official")
    state.put({}, {}, {b"x" * 12: 1})
    state.save(state.marker.batch, state.marker.sequence)
    state.close()


DAMAGE: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "an outcome half done": (journalled, {"journal"}),
    "a file lost": (lose_a_file, {"files"}),
    "a file too long": (lengthen_a_file, {"files"}),
    "a bit of the archive": (spoil_archive, {"archive"}),
    "an upload twice": (twice("uploads"), {"sequences"}),
    "a finding lost": (take("findings", "severity <> 'warn'"), {"counts"}),
    "a count": (change("uploads", {"records_warned": "99"}, "sequence = 1"), {"counts"}),
    "a record of the history lost": (take("history", "record = 2 and sequence = 3"), {"history"}),
    "an upload lost": (take("uploads", "sequence = 3"), {"history"}),
    "batches out of order": (change("batches", {"sequence_from": "1"}, "batch = 2"), {"batches"}),
    "a visit twice": (twice("visits"), {"official/visits"}),
    "a visit lost": (take("visits", "sequence = 2 and record = 1"), {"official/visits"}),
    "a visit of the wrong version": (
        change("visits", {"sequence": "1"}, "sequence = 2"), {"official/visits"}
    ),
    "an order lost": (take("orders", "order_no = 1"), {"official/orders"}),
    "an order of nothing": (change("orders", {"visit_key": "'?'"}, "order_no = 1"),
                            {"official/orders"}),
    "a refill lost": (take("prescriptions", "refill = 2"), {"official/prescriptions"}),
    "a refill twice": (twice("prescriptions"), {"official/prescriptions"}),
    "a refill of nobody": (
        change("prescriptions", {"institution": "'0000000000'"}, "status = 'open'"),
        {"official/prescriptions"},
    ),
    "a pre-checked visit lost": (take("precheck_visits", "record = 1"), {"precheck/visits"}),
    "the state": (spoil_state, {"official/state"}),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(store: Path, damage: str) -> None:
    spoil, expected = DAMAGE[damage]
    spoil(store)
    found = failed(store)
    assert expected <= found.keys()
    assert all(problems for problems in found.values())
    if damage in ("a bit of the archive", "a finding lost", "a count", "batches out of order",
                  "the state", "a record of the history lost"):  # fmt: skip
        assert expected | {"official/visits"} >= found.keys()


def test_the_command(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify", "--store", str(store)]) == 0
    assert "the store is whole" in capsys.readouterr().out
    spoil_archive(store)
    assert main(["store", "verify", "--store", str(store), "--skip-archive"]) == 0
    capsys.readouterr()
    assert main(["store", "verify", "--store", str(store), "--format", "json"]) == 70
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["check"] for line in lines if not line["ok"]] == ["archive"]


def test_problems_tell_nothing_of_patients(store: Path) -> None:
    ids = set(DeltaTable(store / "tables" / "visits").to_pyarrow_table()["visit_key"].to_pylist())
    for spoil in (twice("visits"), take("history", "record = 2"), take("prescriptions", "true")):
        spoil(store)
    told = " ".join(problem for problems in failed(store).values() for problem in problems)
    assert told
    assert not [key for key in ids if key in told]

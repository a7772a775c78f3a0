"""Uploads of 1.0 in a store: tables of their own, the last accepted version of each visit."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.core import process
from pipeline.outcome import Envelope, Verdict
from pipeline.parse.recognise import recognise
from pipeline.run import RunOptions, run
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import layout_of
from pipeline.store.state_db import StateDb
from pipeline.store.state_rebuild import rebuild
from rules import load_plan

SAMPLES = Path(__file__).parents[1] / "fixtures/samples_v1"
RECEIVED = datetime.fromisoformat("2024-03-20T21:00:00+08:00")
KEY = ("A14", "A12", "A17")


def slow(files: list[Path]) -> dict[str, dict[str, str | None]]:
    """Visit key → fields of the last accepted record."""
    live = {}
    for file in files:
        payload = file.read_bytes()
        version = recognise(payload)
        plan = load_plan(version=version.number)
        done = process(payload, Envelope(RECEIVED, name=file.name), plan)
        for row in np.flatnonzero(done.verdict != Verdict.REJECTED).tolist():
            said = {n: done.batch.value(False, i, row) for i, n in enumerate(version.visit_fields)}
            live["".join(said[n] or "" for n in KEY)] = said
    return live


def stored(store: Path) -> dict[str, dict[str, str | None]]:
    """The same of a store; no key comes twice."""
    rows = pl.read_delta(str(store / "tables/v1_visits")).to_dicts()
    assert len({row["visit_key"] for row in rows}) == len(rows)
    return {row["visit_key"]: {k: v for k, v in row.items() if k[0] == "A"} for row in rows}


@pytest.mark.parametrize("runs", [1, 5])
def test_the_last_accepted_version_is_kept_whatever_the_runs(runs: int, tmp_path: Path) -> None:
    files, store = sorted(SAMPLES.glob("*.xml")), tmp_path / "store"
    for start in range(runs):
        run(files[start::runs] if runs > 1 else files, store, load_plan(),
            RunOptions(received_at=RECEIVED))  # fmt: skip
    order = [file for start in range(runs) for file in files[start::runs]]
    assert stored(store) == slow(order)
    assert len(stored(store)) == 3
    orders = pl.read_delta(str(store / "tables/v1_orders"))
    assert set(orders["visit_key"]) <= stored(store).keys()
    assert not len(pl.read_delta(str(store / "tables/visits")))
    uploads = pl.read_delta(str(store / "tables/uploads"))
    assert set(uploads["version"]) == {"1.0"}


def test_its_state_is_rebuilt_the_same(tmp_path: Path) -> None:
    store = tmp_path / "store"
    run([SAMPLES], store, load_plan(), RunOptions(received_at=RECEIVED))
    layout = layout_of(store)
    state = StateDb(layout.state("v1"))
    lived, marker = list(state.contents()), state.marker
    state.close()
    rebuild(layout, DeltaTables(layout), "v1", marker)
    state = StateDb(layout.state("v1"))
    assert list(state.contents()) == lived
    assert lived
    state.close()


def test_both_versions_in_one_run_keep_to_their_tables(tmp_path: Path) -> None:
    store = tmp_path / "store"
    sample = SAMPLES.parent / "samples/01_cm_clinic_normal_A.xml"
    moment = datetime.fromisoformat("2025-03-05T20:00:00+08:00")
    run([SAMPLES / "01_normal.xml", sample], store, load_plan(), RunOptions(received_at=moment))
    uploads = pl.read_delta(str(store / "tables/uploads")).sort("sequence")
    assert uploads["version"].to_list() == ["1.0", "2.0"]
    assert uploads["refusal_code"].to_list() == ["Y000", None]  # single track since 2024-09-01
    assert len(pl.read_delta(str(store / "tables/visits"))) == 1
    assert not len(pl.read_delta(str(store / "tables/v1_visits")))


def test_sent_as_a_pre_check_it_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    run([SAMPLES], store, load_plan(), RunOptions(received_at=RECEIVED, mode="precheck"))
    uploads = pl.read_delta(str(store / "tables/uploads"))
    assert set(uploads["refusal_code"]) == {"Z015", "Y007"}  # one of them is no XML
    assert stored(store) == {}

"""The state itself (``StateDb``): built from tables, opened, a day's batches, caught up with.

    python -m bench.state_life [--items 20000000] [--store FOLDER]

Makes the tables of ``bench.state_tables`` (or takes those an earlier call left in FOLDER), builds
the state in a fresh process, then, in another that finds none of it in the page cache, opens it and
does batches of 20,000 new visits and look-ups of 20,000 prescriptions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from bench.resident import drop_from_cache, warm
from bench.state import memory
from bench.state_tables import COMMIT_ROWS, UPLOAD_RECORDS, make_tables, next_keys
from pipeline.merge.keys import code_ids, columns_of_table
from pipeline.merge.remember import moments_of
from pipeline.merge.state_items import VISIT
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout, layout_of
from pipeline.store.state_db import Marker
from pipeline.store.state_pairs import bare, counted, moments, names
from pipeline.store.state_rebuild import open_state, rebuild

BATCH, BATCHES = 20_000, 10


def build(layout: Layout) -> dict[str, Any]:
    """The state from the tables."""
    start = time.perf_counter()
    tables = DeltaTables(layout)
    rebuild(layout, tables, "official", _now(tables))
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time(), **memory()}


def use(layout: Layout) -> dict[str, Any]:
    """Open it, and do batches: the first meets a cold cache, the others a warm one."""
    tables, start = DeltaTables(layout), time.perf_counter()
    now = _now(tables)
    state = open_state(layout, tables, "official", now)
    opening = time.perf_counter() - start
    state.save(now.batch - 1, now.sequence - COMMIT_ROWS // UPLOAD_RECORDS)
    state.close()
    start = time.perf_counter()
    state = open_state(layout, tables, "official", now)
    behind = time.perf_counter() - start
    state.close()
    drop_from_cache(state.folder)
    state = open_state(layout, tables, "official", now)
    size, finds, puts, found = state.size(), list[float](), list[float](), 0
    known = _prescriptions(layout)
    for number in range(BATCHES):
        visits = bare(next_keys(BATCH * BATCHES)[number * BATCH :][:BATCH])
        visits["day"], visits["sequence"] = 20_400, 1 << 40
        asked = known[number::BATCHES][:BATCH]
        if number == 1:
            warm(state.folder)
        start = time.perf_counter()
        state.moments(moments(visits))
        found += sum(map(bool, state.ledger(asked)))
        finds.append(time.perf_counter() - start)
        start = time.perf_counter()
        state.put(moments_of(visits.astype(VISIT)), {}, dict(counted(visits)))
        state.save(number, number)
        puts.append(time.perf_counter() - start)
    state.close()
    return {
        "opening": opening, "a_batch_behind": behind, "size": size, "cold": finds[0],
        "warm": median(finds[1:]), "put": median(puts), "worst": max(puts), "found": found,
        **memory(),
    }  # fmt: skip


def _now(tables: DeltaTables) -> Marker:
    return Marker(
        tables.committed("visits"), max(file.high for file in tables.files("visits"))
    )  # fmt: skip


def _prescriptions(layout: Layout) -> list[bytes]:
    """Ledger keys of prescriptions from all over the time."""
    dataset = DeltaTable(layout.table("prescriptions")).to_pyarrow_dataset()
    texts = pa.table({"id": dataset.to_table(columns=["prescription_id"])["prescription_id"]})
    chosen = np.random.default_rng(5).choice(len(texts), BATCH * BATCHES)
    key, _ = code_ids(columns_of_table(texts.take(pa.array(chosen)))("id"))
    return names(bare(key))


def main() -> None:
    """Measure and print, or do one stage."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--items", type=int, default=20_000_000)
    given.add_argument("--store", type=Path)
    given.add_argument("--stage", choices=("build", "use"), help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.stage:
        stage = build if asked.stage == "build" else use
        print(json.dumps(stage(layout_of(asked.store))))
        return
    with ExitStack() as held:
        store = asked.store or Path(held.enter_context(tempfile.TemporaryDirectory("state")))
        if not (store / "tables").exists():
            make_tables(store, asked.items)
        print(json.dumps({"build": _stage("build", store)}), flush=True)
        drop_from_cache(layout_of(store).state("official"))
        print(json.dumps({"use": _stage("use", store)}))


def _stage(stage: str, store: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.state_life", "--stage", stage, "--store", str(store)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()

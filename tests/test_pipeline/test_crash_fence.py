"""A recorder that is stopped before a change on disk, and wakes when another has the store."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import polars as pl
from crash.faults import Deed, Fault
from crash.stage import Stage, Trials, World
from store_tables import orders_of, put_visits

from pipeline.store.opening import open_tables

OLD, NEW, LAST = [("k1", 1), ("k2", 2)], [("k3", 3), ("k4", 4)], [("k5", 5)]
EARLIER = [("k7", 1)]
WATCHED = 60.0


def test_whoever_lost_the_store_writes_nothing_when_it_wakes(stage: Stage) -> None:
    base = stage.world("fence")
    with open_tables(base.store, buckets=2, recording=True) as committer:
        put_visits(committer, EARLIER)
    undisturbed = _copy(stage, base, "fence-undisturbed")
    ended = stage.host.do("record", watch=[undisturbed.folder], **_of(undisturbed, OLD))
    assert ended.code == 0, ended.said
    trials, woken_in_vain = Trials(), 0
    for number in stage.spread(ended.seen, 24):
        world = _copy(stage, base, f"fence-{number}")
        with trials.of(number):
            woken_in_vain += _stopped_at(stage, world, number)
        shutil.rmtree(world.folder)
    trials.assert_all_well()
    assert woken_in_vain


def _stopped_at(stage: Stage, world: World, number: int) -> bool:
    """One trial; whether the one that was stopped came to nothing."""
    fault = Fault(number, Deed.STOP_BEFORE)
    old = stage.host.start("record", watch=[world.folder], fault=fault, **_of(world, OLD))
    _wait_until_stopped(old)
    took = stage.host.do("record", watch=[world.folder], **_of(world, NEW))
    assert took.code == 0, took.said
    os.kill(old, signal.SIGCONT)
    woken = stage.host.wait(old)
    with open_tables(world.store, wait_seconds=1.0) as committer:
        put_visits(committer, LAST)
    visits, orders = (pl.read_delta(str(world.store / "tables" / n)) for n in ("visits", "orders"))
    keys = sorted(visits["visit_key"])
    assert keys in (
        sorted(key for key, _ in [*some, *EARLIER, *NEW, *LAST]) for some in ([], OLD)
    ), (keys, woken.said)
    assert len(orders) == sum(
        orders_of(one) for one in visits.select("visit_key", "sequence").rows()
    )
    assert "k1" in keys or woken.code != 0, "it says that it recorded"
    assert not list((world.store / "journal").iterdir())
    return woken.code != 0


def _copy(stage: Stage, world: World, name: str) -> World:
    other = World(stage.folder / name)
    shutil.copytree(world.folder, other.folder)
    return other


def _of(world: World, versions: list[tuple[str, int]]) -> dict[str, object]:
    return {"store": str(world.store), "versions": versions}


def _wait_until_stopped(pid: int) -> None:
    until = time.monotonic() + WATCHED
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < until, "it does not come that far"
        time.sleep(0.01)

"""A service that is killed at any moment, or whose disk fails: no ticket is lost, no outcome that
was told changes, and in the end the tables are those of a service that was left in peace."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from crash.children import NO_FAULT, Ended
from crash.disk import Disk, Power
from crash.faults import Deed, Fault, read_record
from crash.intake import promised, stored_outcomes
from crash.stage import Stage, Trials, World, chance
from crash.whole import Said, difference

from pipeline.intake.log import MOST_TRIES
from pipeline.intake.sitting import TRIES_TOGETHER

KILLED = -signal.SIGKILL
ENDS = (KILLED, 0)


@dataclass(frozen=True)
class Service:
    """A service on the stage; ``expected`` is what one says that was left in peace, ``changes`` how
    many it makes on disk, ``seconds`` how long it takes."""

    stage: Stage
    expected: Said
    changes: int
    seconds: float

    def start(self, world: World, fault: Fault = NO_FAULT, **options: Any) -> int:
        """One life of it; gives the process id."""
        usual = {"watch": [world.store], "sources": self.stage.sources}
        return self.stage.host.start(
            "serve", fault=fault, store=str(world.store), promises=str(promises_of(world)),
            **(usual | options),
        )  # fmt: skip

    def live(self, world: World, fault: Fault = NO_FAULT) -> Ended:
        """One life to its end."""
        return self.stage.host.wait(self.start(world, fault))

    def assert_ends_well(self, world: World) -> None:
        """A life in peace: all that was promised is kept, and nothing else is there."""
        ended = self.live(world)
        assert ended.code == 0, ended.said
        assert_kept(world)
        told = difference(world.said(), self.expected)
        assert not told, "\n".join(told)
        shutil.rmtree(world.folder)


def promises_of(world: World) -> Path:
    """Where a service says what it promised."""
    return world.folder / "promises"


def assert_kept(world: World) -> None:
    """Every ticket has one row under its id, in the order they were given; outcomes stand."""
    kept = promised(promises_of(world))
    rows = pl.read_delta(str(world.store / "tables/uploads")).sort("sequence")
    assert rows["upload_id"].to_list() == list(kept.tickets.values())
    stored = stored_outcomes(world.store, list(kept.outcomes))
    assert stored == kept.outcomes


@pytest.fixture(scope="module")
def service(stage: Stage) -> Service:
    world = stage.world("served")
    begun = time.monotonic()
    ended = Service(stage, stage.expected, 0, 0).live(world)
    assert ended.code == 0, ended.said
    assert_kept(world)
    return Service(stage, world.said(), ended.seen, time.monotonic() - begun)


@pytest.mark.parametrize("deed", [Deed.KILL_BEFORE, Deed.TEAR], ids=lambda deed: deed.name)
def test_killed_at_a_change(service: Service, deed: Deed) -> None:
    trials = Trials()
    short = 60 if service.stage.long else 4
    for place in range(short):
        number = 1 + (2 * place + 1) * service.changes // (2 * short)
        with trials.of(number):
            world = service.stage.world(f"serve-{deed.name}-{number}")
            assert service.live(world, Fault(number, deed)).code in ENDS
            service.assert_ends_well(world)
    trials.assert_all_well()


def test_killed_at_any_moment_again_and_again(service: Service) -> None:
    trials = Trials()
    for sitting in range(40 if service.stage.long else 3):
        with trials.of(sitting):
            world, random = service.stage.world(f"serve-{sitting}"), chance("serve", sitting)
            for _ in range(4):
                kill_after(service, world, random.uniform(0, service.seconds))
            service.assert_ends_well(world)
    trials.assert_all_well()


def kill_after(service: Service, world: World, seconds: float) -> None:
    """A life of so many seconds."""
    child = service.start(world)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert service.stage.host.wait(child).code in ENDS


def test_a_run_settles_what_a_killed_service_took_in(service: Service) -> None:
    """Not as it would come anew, but under the ids of the tickets, and before its own uploads."""
    trials = Trials()
    for sitting in range(8 if service.stage.long else 2):
        with trials.of(sitting):
            world, random = service.stage.world(f"then-run-{sitting}"), Random(sitting)
            while not promised(promises_of(world)).tickets:
                kill_after(service, world, random.uniform(service.seconds / 2, service.seconds))
            ended = service.stage.take(world, sources=[service.stage.sources[0]])
            assert ended.code == 0, ended.said
            kept = promised(promises_of(world))
            rows = pl.read_delta(str(world.store / "tables/uploads")).sort("sequence")
            ids = rows["upload_id"].to_list()
            assert ids[: len(kept.tickets)] == list(kept.tickets.values())
            assert stored_outcomes(world.store, list(kept.outcomes)) == kept.outcomes
            shutil.rmtree(world.folder)
    trials.assert_all_well()


def test_an_upload_that_ends_the_process_stalls_nobody(service: Service) -> None:
    world, deadly, lives = service.stage.world("deadly"), "05-corrected.xml", 0
    while service.stage.host.wait(service.start(world, deadly=deadly)).code == KILLED:
        lives += 1
        assert lives <= MOST_TRIES + 1
    assert lives > TRIES_TOGETHER
    rows = pl.read_delta(str(world.store / "tables/uploads"))
    tickets = promised(promises_of(world)).tickets
    assert len(rows) == len(tickets) - 1
    assert set(rows["upload_id"]) < set(tickets.values())
    assert deadly not in set(rows["name"])
    shutil.rmtree(world.folder)


@pytest.mark.parametrize("power", Power, ids=lambda power: power.name)
def test_the_power_fails(service: Service, power: Power) -> None:
    """What was promised until then is known to whoever was promised it."""
    trials, stage = Trials(), service.stage
    whole = stage.world(f"recorded-{power.name}")
    record = whole.folder / "record"
    child = service.start(whole, watch=[whole.folder], record=record)
    ended = stage.host.wait(child)
    assert ended.code == 0, ended.said
    short = 40 if stage.long else 2
    moments = {1 + (2 * place + 1) * ended.seen // (2 * short) for place in range(short)}
    disk = Disk(whole.folder)
    for number, change in enumerate(read_record(record), start=1):
        disk.change(change)
        if number in moments:
            world = World(stage.folder / f"power-{power.value}-{number}")
            disk.leave(world.folder, power, seed=number)
            promises_of(world).write_bytes(disk.bytes(promises_of(whole)))
            with trials.of(number):
                service.assert_ends_well(world)
    trials.assert_all_well()


@pytest.mark.parametrize(
    ("deed", "error"),
    [(Deed.FAIL_ONCE, errno.EIO), (Deed.FAIL_ONCE, errno.ENOSPC), (Deed.SHORTEN, 0)],
)
def test_a_disk_that_fails_for_a_moment(service: Service, deed: Deed, error: int) -> None:
    """The same service goes on, in the same life, if it could open the store at all."""
    trials = Trials()
    short = 20 if service.stage.long else 2
    for place in range(short):
        number = 1 + (2 * place + 1) * service.changes // (2 * short)
        with trials.of(number):
            world = service.stage.world(f"moment-{deed.name}-{error}-{number}")
            ended = service.live(world, Fault(number, deed, error))
            opened = promised(promises_of(world)).tickets
            assert ended.code == 0 or not opened, ended.said
            service.assert_ends_well(world)
    trials.assert_all_well()


def test_a_disk_that_stays_full(service: Service) -> None:
    """Nothing is promised that could not be kept; once there is room all is as it should be."""
    trials = Trials()
    for number in (service.changes * 3 // 5, service.changes * 4 // 5)[  # once it has started
        : 2 if service.stage.long else 1
    ]:
        with trials.of(number):
            world = service.stage.world(f"full-{number}")
            child = service.start(world, Fault(number, Deed.FAIL_FROM, errno.ENOSPC), patience=2.0)
            assert service.stage.host.wait(child).code in (0, 75)
            service.assert_ends_well(world)
    trials.assert_all_well()

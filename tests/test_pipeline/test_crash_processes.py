"""Several processes want one store: one at a time, however they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from crash.stage import Stage, World

OUR_FAULT = 70
MOST_SECONDS = 60


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    for _ in range(MOST_SECONDS * 50):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def held(stage: Stage, world: World) -> int:
    """A process that holds the store of a world."""
    ready = stage.folder / f"{world.folder.name}-ready"
    child = stage.host.start("hold", watch=[], store=str(world.store), ready=str(ready))
    until(ready.exists)
    return child


def test_two_runs_at_once(stage: Stage) -> None:
    world = stage.world("two")
    children = [stage.start(world) for _ in range(2)]
    assert [stage.host.wait(child).code for child in children] == [0, 0]
    stage.assert_ends_well(world)


def test_a_run_that_will_not_wait_is_told(stage: Stage) -> None:
    world = stage.world("refused")
    holder = held(stage, world)
    ended = stage.take(world, wait_seconds=0.0)
    assert ended.code == OUR_FAULT
    assert "正由另一個程序使用" in ended.said
    assert "run again when it has finished" in ended.said
    assert not world.receipts.exists()
    os.kill(holder, signal.SIGKILL)
    stage.host.wait(holder)
    stage.assert_ends_well(world)


def test_a_killed_holder_lets_the_next_one_in(stage: Stage) -> None:
    world = stage.world("freed")
    holder = held(stage, world)
    waiting = stage.start(world)
    until(lambda: "The store is in use" in stage.host.said(waiting))
    os.kill(holder, signal.SIGKILL)
    stage.host.wait(holder)
    assert stage.host.wait(waiting).code == 0
    stage.assert_ends_well(world)

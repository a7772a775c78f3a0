"""Killed at any change on disk, or at any moment: the next run ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time

import pytest
from crash.faults import Deed, Fault
from crash.stage import Stage, Trials, chance

PARTS = 4
KILLED = -signal.SIGKILL


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("deed", [Deed.KILL_BEFORE, Deed.TEAR], ids=lambda deed: deed.name)
def test_killed_at_a_change(stage: Stage, part: int, deed: Deed) -> None:
    """Every change once with ``--long``; half of a write is made where it is torn."""
    trials = Trials()
    for number in stage.moments(part, PARTS, short=2):
        with trials.of(number):
            world = stage.world(f"{deed.name}-{number}")
            assert stage.take(world, Fault(number, deed)).code == KILLED
            stage.assert_ends_well(world)
    trials.assert_all_well()


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_again_while_it_recovers(stage: Stage, part: int) -> None:
    trials = Trials()
    for number in stage.moments(part, PARTS, short=1)[:: stage.stride]:
        with trials.of(number):
            world, rng = stage.world(f"twice-{number}"), chance("twice", number)
            assert stage.take(world, Fault(number, Deed.KILL_AFTER)).code == KILLED
            for _ in range(3):
                again = Fault(rng.randint(1, 120), rng.choice([Deed.KILL_BEFORE, Deed.TEAR]))
                ended = stage.take(world, again)
                assert ended.code in (KILLED, 0), ended.said
            stage.assert_ends_well(world)
    trials.assert_all_well()


def test_killed_at_any_moment_again_and_again(stage: Stage) -> None:
    begun = time.monotonic()
    assert stage.take(stage.world("measured")).code == 0
    longest = time.monotonic() - begun
    trials = Trials()
    for sitting in range(40 if stage.long else 1):
        with trials.of(sitting):
            world, rng = stage.world(f"moment-{sitting}"), chance("moment", sitting)
            for _ in range(4):
                child = stage.start(world)
                time.sleep(rng.uniform(0, longest))
                os.kill(child, signal.SIGKILL)
                assert stage.host.wait(child).code in (KILLED, 0)
            stage.assert_ends_well(world)
    trials.assert_all_well()

"""Killed during upkeep: the same command, run again, ends as if nothing had happened."""

from __future__ import annotations

import shutil
import signal
import zipfile
from pathlib import Path

import pytest
from crash.children import NO_FAULT, Ended
from crash.faults import Deed, Fault
from crash.stage import Stage, Trials, World, chance
from crash.whole import Said, difference

OLD_STORE = Path(__file__).parents[1] / "fixtures" / "stores" / "format-1.zip"
KILLED = -signal.SIGKILL
COMMANDS = {
    "compact": ["compact"],
    "vacuum": ["vacuum", "--retain-hours", "0"],
    "rebuild-state": ["rebuild-state"],
    "migrate": ["migrate"],
}


def prepared(stage: Stage, name: str) -> World:
    """A world on which the command has something to do."""
    world = stage.world(f"{name}-to-do")
    if name == "migrate":
        with zipfile.ZipFile(OLD_STORE) as packed:
            packed.extractall(world.folder)
        return world
    shutil.copytree(stage.undisturbed.folder, world.folder, dirs_exist_ok=True)
    if name == "vacuum":
        upkeep(stage, world, "compact")
    return world


def upkeep(stage: Stage, world: World, name: str, fault: Fault = NO_FAULT) -> Ended:
    """Run the command to its end."""
    arguments = ["store", *COMMANDS[name], "--store", str(world.store)]
    ended = stage.command(world, *arguments, fault=fault)
    assert ended.code in (0, KILLED), ended.said
    return ended


def done(stage: Stage, name: str, before: World) -> tuple[int, Said]:
    """How many changes the command makes undisturbed, and what the store then says."""
    world = copied(stage, before, f"{name}-done")
    ended = upkeep(stage, world, name)
    said = world.said()
    if name != "migrate":
        assert not difference(said, stage.expected)
    shutil.rmtree(world.folder)
    return ended.seen, said


def copied(stage: Stage, world: World, name: str) -> World:
    """A copy of a world."""
    copy = stage.world(name)
    shutil.copytree(world.folder, copy.folder, dirs_exist_ok=True)
    return copy


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_during_upkeep(stage: Stage, name: str) -> None:
    """At any change; then once more at another; then left alone."""
    before = prepared(stage, name)
    changes, expected = done(stage, name, before)
    assert changes > 20
    trials = Trials()
    for number in stage.spread(changes, short=2):
        with trials.of(number):
            world, rng = copied(stage, before, f"{name}-{number}"), chance(name, number)
            assert upkeep(stage, world, name, Fault(number, Deed.TEAR)).code == KILLED
            upkeep(stage, world, name, Fault(rng.randint(1, changes), Deed.KILL_AFTER))
            assert upkeep(stage, world, name).code == 0
            told = difference(world.said(), expected)
            assert not told, "\n".join(told)
            if name != "migrate":
                stage.assert_ends_well(world)
    trials.assert_all_well()
    shutil.rmtree(before.folder)

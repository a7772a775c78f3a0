"""Killed during upkeep, or while a held upload is decided: the same command again completes it."""

from __future__ import annotations

import shutil
import signal
import zipfile
from pathlib import Path

import polars as pl
import pytest
from crash.children import NO_FAULT, Ended
from crash.faults import Deed, Fault
from crash.stage import Stage, Trials, World, chance
from crash.uploads import write_mass_delete
from crash.whole import Said, difference

OLD_STORE = Path(__file__).parents[1] / "fixtures" / "stores" / "format-1.zip"
KILLED = -signal.SIGKILL
DECIDED = 1  # what deciding on an upload again answers
COMMANDS = {
    "compact": ["store", "compact"],
    "vacuum": ["store", "vacuum", "--retain-hours", "0"],
    "rebuild-state": ["store", "rebuild-state"],
    "migrate": ["store", "migrate"],
    "release": ["held", "release", "--yes", "--by", "A. Chen"],
    "drop": ["held", "drop", "--yes", "--by", "A. Chen"],
}
HELD = ("release", "drop")


def prepared(stage: Stage, name: str) -> World:
    """A world on which the command has something to do."""
    world = stage.world(f"{name}-to-do")
    if name == "migrate":
        with zipfile.ZipFile(OLD_STORE) as packed:
            packed.extractall(world.folder)
    elif name in HELD:
        source = write_mass_delete(stage.folder / f"{name}-in")
        assert stage.take(world, sources=[source]).code == 0
    else:
        shutil.copytree(stage.undisturbed.folder, world.folder, dirs_exist_ok=True)
    if name == "vacuum":
        upkeep(stage, world, "compact")
    return world


def upkeep(stage: Stage, world: World, name: str, fault: Fault = NO_FAULT) -> Ended:
    """Run the command to its end."""
    arguments = [*COMMANDS[name], "--store", str(world.store)]
    if name in HELD:
        uploads = pl.read_delta(str(world.store / "tables" / "uploads"))
        held = uploads.filter(pl.col("name") == "02-deletes.xml")["upload_id"].to_list()
        arguments += [*held, "--receipts", str(world.receipts)]
    ended = stage.command(world, *arguments, fault=fault)
    assert ended.code in (0, KILLED, DECIDED if name in HELD else 0), ended.said
    return ended


def done(stage: Stage, name: str, before: World) -> tuple[int, Said]:
    """How many changes the command makes undisturbed, and what the store then says."""
    world = copied(stage, before, f"{name}-done")
    ended = upkeep(stage, world, name)
    said = world.said()
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
        with trials.of(f"{name} {number}"):
            world, rng = copied(stage, before, f"{name}-{number}"), chance(name, number)
            assert upkeep(stage, world, name, Fault(number, Deed.TEAR)).code == KILLED
            upkeep(stage, world, name, Fault(rng.randint(1, changes), Deed.KILL_AFTER))
            assert upkeep(stage, world, name).code != KILLED
            told = difference(world.said(), expected)
            assert not told, "\n".join(told)
            shutil.rmtree(world.folder)
    trials.assert_all_well()
    shutil.rmtree(before.folder)


@pytest.mark.parametrize("name", ["compact", "vacuum", "rebuild-state"])
def test_upkeep_changes_nothing_that_is_said(stage: Stage, name: str) -> None:
    world = prepared(stage, name)
    upkeep(stage, world, name)
    assert not difference(world.said(), stage.expected)
    stage.assert_ends_well(world)

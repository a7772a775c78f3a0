"""The power fails: what was not synced may be gone, in any mixture; the next run mends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash.disk import Disk, Power
from crash.faults import Kind, read_record
from crash.stage import Stage, Trials, World

PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("power", Power, ids=lambda power: power.name)
def test_the_power_fails(stage: Stage, power: Power, part: int) -> None:
    trials = Trials()
    for world, seen in _left(stage, power, stage.moments(part, PARTS, short=1)):
        with trials.of(world.folder.name):
            stage.assert_ends_well(world, seen)
    trials.assert_all_well()


def _left(stage: Stage, power: Power, moments: list[int]) -> Iterator[tuple[World, list[str]]]:
    """What is left after each of some changes, and the receipts that could be read till then.

    What was left before is not tried again.
    """
    disk, before = Disk(stage.undisturbed.folder), None
    for number, change in enumerate(read_record(stage.record), start=1):
        disk.change(change)
        if number not in moments:
            continue
        world = World(stage.folder / f"{power.value}-{number}")
        disk.leave(world.folder, power, seed=number)
        seen = [name for name in disk.names(stage.undisturbed.receipts) if name[0] != "."]
        if (now := (_content(world.folder), seen)) != before:
            yield world, seen
        else:
            shutil.rmtree(world.folder)
        before = now


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"/"
        for path in folder.rglob("*")
    }


def test_nothing_of_worth_is_mapped_for_writing(stage: Stage) -> None:
    """The fault layer can't see stores to mapped memory: only scratch files may be written so."""
    mapped = {Path(c.path).name for c in read_record(stage.record) if c.kind is Kind.MAP}
    assert mapped <= {"index.sqlite-shm", "lock.mdb"}

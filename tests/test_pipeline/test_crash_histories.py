"""Random histories through runs that are killed again and again: the slow merge says the same."""

from __future__ import annotations

import shutil
import signal
from itertools import groupby
from pathlib import Path
from random import Random

from crash.faults import Deed, Fault
from crash.stage import Stage, Trials, World, chance
from crash.whole import difference
from histories import History, history

from tests.oracle.replay_tables import expected, stored

KILLED = -signal.SIGKILL
DEEDS = (Deed.KILL_BEFORE, Deed.KILL_AFTER, Deed.TEAR)
Sitting = dict[str, str | list[str]]


def sittings(told: History, folder: Path) -> list[Sitting]:
    """The runs of a history, as options: one for each moment of receipt."""
    runs: list[Sitting] = []
    for received_at, sent in groupby(told.sent, key=lambda one: one.received_at):
        source = folder / f"{len(runs):03}"
        source.mkdir(parents=True)
        for one in sent:
            (source / one.name).write_bytes(one.payload)
        runs.append({"sources": [str(source)], "received_at": received_at.isoformat()})
    return runs


def in_peace(stage: Stage, world: World, runs: list[Sitting]) -> int:
    """Make the runs; gives how many changes the longest made."""
    most = 0
    for run in runs:
        ended = stage.take(world, **run)
        assert ended.code == 0, ended.said
        most = max(most, ended.seen)
    return most


def killed(stage: Stage, world: World, runs: list[Sitting], rng: Random, most: int) -> int:
    """Make the runs, each killed some times before it is let through; gives the kills."""
    kills = 0
    for run in runs:
        for _ in range(3):
            ended = stage.take(world, Fault(rng.randint(1, most), rng.choice(DEEDS)), **run)
            assert ended.code in (KILLED, 0), ended.said
            kills += ended.code == KILLED
        assert stage.take(world, **run).code == 0
    return kills


def test_histories_survive_kills(stage: Stage) -> None:
    trials, kills = Trials(), 0
    for seed in range(20 if stage.long else 1):
        with trials.of(f"seed {seed}"):
            told = history(1_000 + seed, uploads=60 if stage.long else 24)
            runs = sittings(told, stage.folder / f"history-{seed}")
            peace, war = stage.world(f"peace-{seed}"), stage.world(f"war-{seed}")
            most = in_peace(stage, peace, runs)
            tables = stored(peace.store)
            assert [
                name for name, rows in expected(told.replay).items() if tables[name] != rows
            ] == []
            kills += killed(stage, war, runs, chance("history", seed), most)
            said = difference(war.said(), peace.said())
            assert not said, "\n".join(said)
            for world in (peace, war):
                shutil.rmtree(world.folder)
    print(f"{kills} kills")
    trials.assert_all_well()

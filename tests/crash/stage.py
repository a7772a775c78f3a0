"""What the crash tests share: one undisturbed run, and runs that are not left in peace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crash.children import NO_FAULT, Ended, Host
from crash.faults import MISSING, Fault
from crash.uploads import write_uploads
from crash.whole import Said, assert_stored, difference, said

MEMORY = "/dev/shm"  # where there is one: hundreds of runs need not wait for a real disk


@dataclass(frozen=True)
class World:
    """A folder that holds all that a run may change."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def receipts(self) -> Path:
        return self.folder / "receipts"

    def said(self) -> Said:
        """What store and receipts say; fails if they are not whole."""
        return said(self.store, self.receipts)


class Stage:
    """``expected`` is what an undisturbed run says, ``changes`` how many it makes on disk."""

    def __init__(self, folder: Path, host: Host, *, long: bool) -> None:
        self.folder = folder
        self.host = host
        self.long = long
        self.stride = 4 if long else 1  # of long tests whose every trial is several runs
        self.sources = write_uploads(folder / "in")
        self.record = folder / "record"
        self.undisturbed = self.world("undisturbed")
        ended = self.take(self.undisturbed, record=self.record)
        assert ended.code == 0, ended.said
        self.changes = ended.seen
        self.expected = self.undisturbed.said()

    def world(self, name: str) -> World:
        """A new, empty world."""
        path = self.folder / name
        path.mkdir()
        return World(path)

    def start(self, world: World, fault: Fault = NO_FAULT, **options: Any) -> int:
        """The run over all uploads, begun or gone on with; gives its process id."""
        usual = {"watch": [world.folder], "record": None, "sources": self.sources}
        return self.host.start(
            "take", fault=fault, store=str(world.store), receipts=str(world.receipts),
            **(usual | options),
        )  # fmt: skip

    def take(self, world: World, fault: Fault = NO_FAULT, **options: Any) -> Ended:
        """The same, to its end."""
        return self.host.wait(self.start(world, fault, **options))

    def command(self, world: World, *arguments: str, **keywords: Any) -> Ended:
        """A command of ``nhi-upload`` to its end."""
        return self.host.do("command", watch=[world.folder], arguments=list(arguments), **keywords)

    def assert_ends_well(self, world: World, seen: Iterable[str] = ()) -> None:
        """Run again: all must be as if nothing had happened. The world is gone afterwards.

        ``seen`` are receipts that somebody may have read before: what they say must stand.
        """
        ended = self.take(world)
        assert ended.code == 0, ended.said
        assert_stored(world.store, seen)
        told = difference(world.said(), self.expected)
        assert not told, "\n".join(told)
        shutil.rmtree(world.folder)

    def moments(self, part: int, parts: int, short: int) -> list[int]:
        """Numbers of a run's changes: this part's share of all, or ``short`` of that share."""
        share = range(1 + part, self.changes + 1, parts)
        return [share[place - 1] for place in self.spread(len(share), short)]

    def spread(self, count: int, short: int) -> list[int]:
        """From 1 to ``count``: all with ``--long``, else ``short`` numbers spread evenly."""
        if self.long or count <= short:
            return list(range(1, count + 1))
        return [(2 * i + 1) * count // (2 * short) + 1 for i in range(short)]


class Trials:
    """Trials of one test: all are made, then what went wrong is told together."""

    def __init__(self) -> None:
        self._made = 0
        self._failed: list[str] = []

    @contextmanager
    def of(self, what: object) -> Iterator[None]:
        """One trial; an assertion that fails in it is told at the end."""
        self._made += 1
        try:
            yield
        except AssertionError as error:
            self._failed.append(f"{what}: {error}"[:2000])

    def assert_all_well(self) -> None:
        """Fails if any trial did, and if there were none."""
        print(f"{self._made} trials, {len(self._failed)} failed")
        assert self._made
        assert not self._failed, "\n".join([f"{len(self._failed)} failed", *self._failed[:20]])


def chance(*seed: object) -> Random:
    """Chances that are the same every time."""
    return Random(repr(seed))


def staged(*, long: bool) -> Iterator[Stage]:
    """A stage for the tests of one process; they are skipped where faults can't be made."""
    if MISSING:
        pytest.skip(MISSING)
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        real = Path(os.path.realpath(folder))
        host = Host(real)
        try:
            yield Stage(real, host, long=long)
        finally:
            host.close()

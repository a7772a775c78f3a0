"""A recorder that hangs loses its store: wherever it wakes, it writes nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread, current_thread

import polars as pl
import pytest
from store_tables import put_visits

from pipeline.errors import StoreBusyError, StoreWriteError
from pipeline.store.delta import DeltaTables
from pipeline.store.journal import Journal
from pipeline.store.lease import StoreLostError
from pipeline.store.opening import open_tables

OLD, NEW = [("k1", 1), ("k2", 2)], [("k3", 3), ("k4", 4)]
STOPS: dict[str, tuple[type, str, int]] = {
    "before its batch is begun": (Journal, "begin", 1),
    "before the journal": (Journal, "record", 1),
    "after the journal": (Journal, "abandon", 1),
    "before the first table": (DeltaTables, "commit", 1),
    "before the second table": (DeltaTables, "commit", 2),
    "before it is forgotten": (Journal, "forget", 1),
}


class Stopped:
    """A recorder that stops at a call, in a thread of its own, until told to go on."""

    def __init__(self, store: Path, owner: type, name: str, number: int) -> None:
        self.fault: BaseException | None = None
        self.was_done = name == "forget"
        self.there, self.go = Event(), Event()
        self._left = number
        self._open = False
        real = getattr(owner, name)

        def call(this: object, *arguments: object, **more: object) -> object:
            if self._open and current_thread() is self.thread:
                self._left -= 1
                if self._left == 0:
                    self.there.set()
                    assert self.go.wait(60)
            return real(this, *arguments, **more)

        self.patched = call
        self.thread = Thread(target=self._work, args=(store,))

    def _work(self, store: Path) -> None:
        try:
            with open_tables(store, recording=True, wait_seconds=5) as committer:
                self._open = True
                put_visits(committer, OLD)
        except BaseException as fault:
            self.fault = fault


@pytest.fixture(params=STOPS)
def stopped(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stopped]:
    with open_tables(tmp_path / "store", buckets=2):
        pass
    owner, name, number = STOPS[request.param]
    one = Stopped(tmp_path / "store", owner, name, number)
    monkeypatch.setattr(owner, name, one.patched)
    one.thread.start()
    assert one.there.wait(30)
    yield one
    one.go.set()
    one.thread.join(30)


def keys(store: Path) -> set[str]:
    """The live visits."""
    return set(pl.read_delta(str(store / "tables" / "visits"))["visit_key"])


def test_one_that_hangs_writes_nothing_when_it_wakes(stopped: Stopped, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with open_tables(store, recording=True, wait_seconds=0.2) as committer:
        before = keys(store)
        assert before in (set(), {"k1", "k2"})
        put_visits(committer, NEW)
        stopped.go.set()
        stopped.thread.join(30)
        assert stopped.was_done or isinstance(stopped.fault, StoreWriteError)
        put_visits(committer, [("k5", 5)])
    with open_tables(store, wait_seconds=0.2) as committer:
        assert keys(store) == before | {"k3", "k4", "k5"}
        assert not list((store / "journal").iterdir())
        put_visits(committer, [("k6", 6)])
    assert keys(store) == before | {"k3", "k4", "k5", "k6"}


def test_one_that_wakes_before_the_next_commits(stopped: Stopped, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with open_tables(store, recording=True, wait_seconds=0.2) as committer:
        stopped.go.set()
        stopped.thread.join(30)
        put_visits(committer, NEW)
    assert keys(store) in ({"k3", "k4"}, {"k1", "k2", "k3", "k4"})


def test_others_are_never_taken_from(tmp_path: Path) -> None:
    with (
        open_tables(tmp_path / "store", buckets=2),
        pytest.raises(StoreBusyError),
        open_tables(tmp_path / "store", recording=True, wait_seconds=0.1),
    ):
        pass


def test_nobody_but_a_recorder_takes(tmp_path: Path) -> None:
    with (
        open_tables(tmp_path / "store", buckets=2, recording=True) as committer,
        pytest.raises(StoreBusyError),
        open_tables(tmp_path / "store", wait_seconds=0.1),
    ):
        put_visits(committer, NEW)


def test_who_was_taken_from_is_told(tmp_path: Path) -> None:
    with ExitStack() as both:
        first = both.enter_context(open_tables(tmp_path / "store", buckets=2, recording=True))
        second = both.enter_context(
            open_tables(tmp_path / "store", recording=True, wait_seconds=0.1)
        )
        with pytest.raises(StoreLostError):
            put_visits(first, OLD)
        put_visits(second, NEW)
    assert keys(tmp_path / "store") == {"k3", "k4"}

"""Commits of a store in a second thread, held somewhere on their way while more is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event, Timer, current_thread
from typing import Any

import pytest
from scenario import Sending

from pipeline.batches import Checker, Intake
from pipeline.ingest.unpack import Payload
from pipeline.merge.merge import MergePolicy
from pipeline.settle import Settler
from pipeline.store.delta import DeltaTables
from pipeline.store.journal import Journal
from pipeline.store.state_db import StateDb
from pipeline.store.store import Store, open_store
from pipeline.upload_ids import new_upload_id
from rules import load_plan

PATIENCE = 30  # seconds
STOPS: dict[str, tuple[type, str]] = {
    "before the files": (Journal, "begin"),
    "before the journal": (Journal, "record"),
    "before the tables": (DeltaTables, "commit"),
    "before the state": (StateDb, "save"),
    "before it is forgotten": (Journal, "forget"),
}


class Behind:
    """Commits one after the other in a thread; each stops at ``stop`` until it is waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stop: str | None = None
        self.overlapping = 0
        self._arrived, self._go = Event(), Event()
        self._pool = ThreadPoolExecutor(1, "behind")
        self._under_way: Future[int] | None = None
        for stop, (owner, name) in STOPS.items():
            monkeypatch.setattr(owner, name, self._stopping(stop, getattr(owner, name)))

    def commit(self, store: Store) -> None:
        """Begin to commit what is staged, once the commit before is done."""
        self.wait()
        finish = store.begin_commit()
        if finish:
            self._arrived.clear()
            self._go.clear()
            self._under_way = self._pool.submit(finish)
            if self.stop:  # one of redeliveries only, say, may have ended before
                while not self._arrived.wait(0.01) and not self._under_way.done():
                    pass
            self.overlapping += not self._under_way.done()

    def wait(self) -> int | None:
        """Let a commit under way end; gives its number, or raises what it raised."""
        self._go.set()
        under_way, self._under_way = self._under_way, None
        return under_way.result(PATIENCE) if under_way else None

    def let_go(self, after: float) -> None:
        """Let a commit under way go on, seconds later."""
        Timer(after, self._go.set).start()

    def close(self) -> None:
        self._go.set()
        self._pool.shutdown()

    def _stopping(self, stop: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def stopped(*given: Any, **named: Any) -> Any:
            if stop == self.stop and current_thread().name.startswith("behind"):
                self._arrived.set()
                assert self._go.wait(PATIENCE)
            return original(*given, **named)

        return stopped


@contextmanager
def committing_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """A ``Behind`` that lasts as long as the block."""
    with monkeypatch.context() as patches:
        behind = Behind(patches)
        try:
            yield behind
        finally:
            behind.close()


def intake_of(sent: Sequence[Sending]) -> Intake:
    """Uploads as they come in together."""
    return Intake(
        [Payload(one.name, one.payload, sha256(one.payload).digest()) for one in sent],
        [one.envelope for one in sent],
        [new_upload_id(one.received_at) for one in sent],
    )


def settle_all(
    store: Path, batches: Iterable[Sequence[Sending]],
    commit: Callable[[Store], object] = Store.commit,
    end: Callable[[Store], object] = Store.commit,
) -> None:  # fmt: skip
    """Uploads batch by batch into a store; ``commit`` is called after each, ``end`` at last."""
    plan = load_plan()
    checker = Checker(lambda _: plan)
    with open_store(store, buckets=2) as opened:
        settler = Settler(opened, plan, MergePolicy())
        for sent in batches:
            settled = settler.settle(checker.check(intake_of(sent)))
            assert not settled.failed
            commit(opened)
        end(opened)

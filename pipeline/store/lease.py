"""Who may write a store: the lock, and how a recorder takes the store from one that hangs.

A recorder marks the lock file as a recorder's. When the next leader of its group still finds it
locked after a while, the one before is stopped, not dead: it takes the store by putting a locked
file of its own in the place of the lock file, and fences what the old one may still do when it
wakes (``pipeline.store.committer``). Other holders are never taken from.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from pipeline.errors import StoreBusyError, StoreWriteError
from pipeline.store.layout import Layout, locked

LOCK: Final = "store.lock"
_RECORDER: Final = b"recorder"


class StoreLostError(StoreWriteError):
    """Another process has taken the store."""


def lost() -> StoreLostError:
    """The store has another holder."""
    return StoreLostError(
        "資料庫已由另一個程序接手，本程序不再寫入",
        "Another process has taken the store over; this one writes no more",
    )


@dataclass(frozen=True)
class Lease:
    """The right to write a store. ``node`` is the inode of the lock file, ``None`` where the store
    can't be taken away. ``taken``: from one that may still believe it has it."""

    path: Path
    node: int | None = None
    taken: bool = False

    def check(self) -> None:
        """Raises ``StoreLostError`` if another has the store now."""
        if self.node is not None and self.path.stat().st_ino != self.node:
            raise lost()


@contextmanager
def held(
    layout: Layout, wait_seconds: float, waiting: Callable[[str], None] | None = None
) -> Iterator[Lease]:
    """``locked``, by somebody from whom the store is never taken."""
    path = layout.root / LOCK
    with locked(layout, wait_seconds, waiting):
        with path.open("r+b") as file:
            file.truncate(0)
        yield Lease(path)


@contextmanager
def recorder_lease(layout: Layout, patience: float) -> Iterator[Lease]:
    """Hold a store for recording; after ``patience`` seconds it is taken from another recorder.

    Raises ``StoreBusyError`` while somebody else holds it.
    """
    path = layout.root / LOCK
    try:
        before = locked(layout, patience)
        before.__enter__()
    except StoreBusyError:
        if path.read_bytes() != _RECORDER:
            raise
        with _put_in_place(path) as node:
            yield Lease(path, node, taken=True)
        return
    try:
        with _put_in_place(path) as node:
            yield Lease(path, node)
    finally:
        before.__exit__(None, None, None)


@contextmanager
def _put_in_place(path: Path) -> Iterator[int]:
    """A locked file of our own under the name of the lock; gives its inode.

    Whoever waits for the lock looks for a file of that name anew each time.
    """
    own = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    own.write_bytes(_RECORDER)
    with FileLock(own, thread_local=False):
        node = own.stat().st_ino
        own.replace(path)
        yield node

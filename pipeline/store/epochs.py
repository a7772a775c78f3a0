"""Who may write a store on object storage, where nothing is let go of when its holder dies.

lease/00000012          the twelfth to hold the store; whoever comes next creates 13
lease/00000012.done     and it let the store go

The highest number holds the store. An object is created by one only, so each number has one holder,
who sees by the next one that it lost the store; storage that creates an object twice is refused. A
recorder whose predecessor does not let go takes the store after a while, dead or not, and fences
what that one may still do, as on a disk (``pipeline.store.lease``, ``pipeline.store.committer``).
Whom a fault makes close the store does not let go of it: a request that was given up may yet
arrive. Nobody's clock decides anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from pipeline.errors import StoreBusyError, StoreUnusableError
from pipeline.store.files import Files
from pipeline.store.lease import lost

_FOLDER: Final = "lease"
_DONE: Final = ".done"
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Epoch:
    """The right to write a store from one number on. ``taken``: from one that did not let go."""

    folder: Files
    number: int
    taken: bool

    def check(self) -> None:
        """Raises ``StoreLostError`` if another has the store now."""
        if _last(self.folder)[0] != self.number:
            raise lost()


@contextmanager
def epoch(
    store: Files, wait_seconds: float, waiting: Callable[[str], None] | None = None,
    *, recording: bool = False,
) -> Iterator[Epoch]:  # fmt: skip
    """Hold a store. Who comes second waits, saying so; then a recorder takes it, others get
    ``StoreBusyError``."""
    folder, until = store.at(_FOLDER), time.monotonic() + wait_seconds
    held: Epoch | None = None
    while held is None:
        last, free = _last(folder)
        patient = time.monotonic() < until
        if not free and patient:
            if waiting:
                waiting(
                    f"資料庫使用中，最多等待 {wait_seconds:.0f} 秒\n"
                    f"The store is in use; waiting up to {wait_seconds:.0f} s"
                )
                waiting = None
            time.sleep(min(_LOOK_SECONDS, wait_seconds))
        elif free or recording:
            held = _begun(folder, last + 1, taken=not free)
        else:
            raise StoreBusyError(
                f"{store.uri} 正由另一個程序使用，請等它結束後再執行；"
                "若它已不在，請先執行 nhi-upload store take",
                f"Another process is using {store.uri}; run again when it has finished, "
                "or, if it died, after nhi-upload store take",
            )
    yield held
    folder.write(_name(held.number) + _DONE, b"")


def _last(folder: Files) -> tuple[int, bool]:
    """The highest number, 0 if there is none, and whether its holder has let go."""
    names = set(folder.names())
    last = max((int(name.removesuffix(_DONE)) for name in names), default=0)
    return last, not last or _name(last) + _DONE in names


def _begun(folder: Files, number: int, *, taken: bool) -> Epoch | None:
    """A new number, unless somebody else was faster; those long gone are forgotten."""
    try:
        folder.create(_name(number), b"")
    except FileExistsError:
        return None
    _refuse_overwriting(folder, number)
    if _last(folder)[0] != number:  # what was created had been forgotten meanwhile
        return None
    for name in folder.names():
        if int(name.removesuffix(_DONE)) < number - 1:
            folder.remove(name)
    return Epoch(folder, number, taken)


def _refuse_overwriting(folder: Files, number: int) -> None:
    """Raises ``StoreUnusableError`` where an object that is there can be created again."""
    with suppress(FileExistsError):
        folder.create(_name(number), b"")
        raise StoreUnusableError(
            f"{folder.uri} 的物件儲存不支援 If-None-Match，無法保證只有一個程序寫入",
            f"The object storage of {folder.uri} does not know If-None-Match: nothing keeps "
            "several processes from writing at once",
        )


def _name(number: int) -> str:
    return f"{number:08d}"

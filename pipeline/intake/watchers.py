"""Who waits to hear of an upload: threads and coroutines, each woken once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

Call = Callable[[], None]


class Watchers:
    """Any thread may wait, and any may wake those who do."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: dict[str, list[Call]] = {}

    def wake(self, upload_ids: Iterable[str]) -> None:
        """Something has become of these."""
        with self._lock:
            calls = [call for one in upload_ids for call in self._calls.get(one, ())]
        for call in calls:
            call()

    def wait(self, upload_id: str, seconds: float, over: Callable[[], bool]) -> None:
        """Wait until woken, or not at all if it is ``over``."""
        event = Event()
        with self._calling(upload_id, event.set):
            if not over():
                event.wait(seconds)

    async def waited(self, upload_id: str, seconds: float, over: Callable[[], bool]) -> None:
        """``wait`` for coroutines."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

        with self._calling(upload_id, wake):
            if not over():
                try:
                    await asyncio.wait_for(event.wait(), seconds)
                except TimeoutError:
                    return

    @contextmanager
    def _calling(self, upload_id: str, call: Call) -> Iterator[None]:
        """Registered before it is looked whether all is over, so that nobody waits in vain."""
        with self._lock:
            self._calls.setdefault(upload_id, []).append(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls[upload_id].remove(call)
                if not self._calls[upload_id]:
                    del self._calls[upload_id]

"""The processes of a stream: what each runs, until it is told to stop.

Where Kafka goes away, or a commit fails, what was under way is let go and begun anew from what the
cluster and the tables have; nothing was acknowledged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pipeline.errors import PipelineError, kind_and_place

_log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


class Job(Protocol):
    """What runs until told to stop, and may be begun anew after a fault."""

    def run(self, going: Callable[[], bool]) -> None:
        """Work until ``going`` says no."""


class Stop:
    """Tells all jobs of a process when to stop. ``fault``: what ended one of them for good."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.fault: Exception | None = None

    def stop(self) -> None:
        """No more."""
        self._event.set()

    def going(self) -> bool:
        """Whether to go on."""
        return not self._event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the stop."""
        self._event.wait(seconds)


def work(stop: Stop, jobs: Sequence[Callable[[], Job]]) -> None:
    """Run jobs side by side, the first in this thread, until all have stopped.

    Raises the fault of ours that ended one of them.
    """
    threads = [
        threading.Thread(target=_keep, args=(stop, job), name=f"job-{number}")
        for number, job in enumerate(jobs[1:], start=1)
    ]
    for thread in threads:
        thread.start()
    try:
        _keep(stop, jobs[0])
    finally:
        stop.stop()
        for thread in threads:
            thread.join()
    if stop.fault is not None:
        raise stop.fault


def _keep(stop: Stop, make: Callable[[], Job]) -> None:
    """Run a job, and again after each fault that passes, with growing pauses."""
    pause = _FIRST_PAUSE
    while stop.going():
        began = time.monotonic()
        try:
            make().run(stop.going)
        except PipelineError as fault:
            _log.error("%s; again in %.1f s", fault.message_en, pause)
            stop.pause(pause)
            healthy = time.monotonic() - began > _LONGEST_PAUSE
            pause = _FIRST_PAUSE if healthy else min(2 * pause, _LONGEST_PAUSE)
        except Exception as fault:  # of ours: another attempt would end the same
            _log.error("a fault of ours: %s", kind_and_place(fault))
            stop.fault = fault
            stop.stop()

"""The processes of a stream: what each runs, until it is told to stop.

Where Kafka or the storage goes away, or a commit fails, what was under way is let go and begun anew
from what the cluster and the tables have; nothing was acknowledged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from pipeline.errors import PipelineError, kind_and_place
from pipeline.metrics import Job as Name
from pipeline.metrics import Metrics
from pipeline.store.failures import OF_MACHINE
from pipeline.stream.vitals import Vitals

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


def work(
    stop: Stop, jobs: Mapping[Name, Callable[[], Job]], metrics: Metrics, vitals: Vitals
) -> None:
    """Run jobs side by side, the first in this thread, until all have stopped.

    Raises the fault of ours that ended one of them.
    """
    (first, *others), told = jobs.items(), (metrics, vitals)
    threads = [
        threading.Thread(target=_keep, args=(stop, name, job, *told), name=name)
        for name, job in others
    ]
    for name in jobs:
        vitals.begins(name)
    for thread in threads:
        thread.start()
    try:
        _keep(stop, *first, *told)
    finally:
        stop.stop()
        for thread in threads:
            thread.join()
    if stop.fault is not None:
        raise stop.fault


def _keep(
    stop: Stop, name: Name, make: Callable[[], Job], metrics: Metrics, vitals: Vitals
) -> None:
    """Run a job, and again after each fault that passes, with growing pauses."""
    pause = _FIRST_PAUSE

    def going() -> bool:
        vitals.turns(name)
        return stop.going()

    while stop.going():
        began = time.monotonic()
        vitals.begins(name)
        try:
            make().run(going)
        except (PipelineError, *OF_MACHINE) as fault:
            _log.error("%s: %s; again in %.1f s", name, _told(fault), pause)
            metrics.began_anew(name)
            vitals.begins(name)
            stop.pause(pause)
            healthy = time.monotonic() - began > _LONGEST_PAUSE
            pause = _FIRST_PAUSE if healthy else min(2 * pause, _LONGEST_PAUSE)
        except Exception as fault:  # of ours: another attempt would end the same
            _log.error("%s: a fault of ours: %s", name, kind_and_place(fault))
            stop.fault = fault
            stop.stop()


def _told(fault: Exception) -> str:
    """A fault that passes, in words that tell nothing of a patient."""
    return fault.message_en if isinstance(fault, PipelineError) else kind_and_place(fault)

"""Workers in threads of the test's own process, where nobody is to be killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby

from scenario import Sending

from pipeline.store.layout import layout_of
from pipeline.stream.broker import Sender
from pipeline.stream.objects import Objects
from pipeline.stream.process import Options, open_stream
from pipeline.stream.publish import How, publish
from pipeline.stream.standing import standing_of
from pipeline.stream.worker import Stop
from stream.house import payload_of

PATIENCE = 180.0


class Running:
    """Runs jobs while in context; all must end in time when told to stop."""

    def __init__(self, options: Options, jobs: Sequence[Callable[[Options, Stop], None]]) -> None:
        self.stop = Stop()
        self._threads = [
            threading.Thread(target=job, args=(options, self.stop), daemon=True) for job in jobs
        ]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.stop()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert self.stop.fault is None


def send(sent: Sequence[Sending], options: Options) -> None:
    """Publish a history, each upload as received at its moment."""
    stream = open_stream(options)
    objects, sender = Objects(layout_of(options.store_uri)), Sender(options.cluster)
    for (received_at, mode), group in groupby(sent, key=lambda one: (one.received_at, one.mode)):
        payloads = [payload_of(one) for one in group]
        how = How(mode=mode, received_at=received_at)
        assert len(list(publish(payloads, how, objects, sender, stream))) == len(payloads)


def recorded(options: Options) -> int:
    """The sequence up to which the tables hold everything."""
    return standing_of(layout_of(options.store_uri), open_stream(options)).through


def wait_until(what: Callable[[], bool], told: str) -> None:
    """Until something is so."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, told
        time.sleep(0.2)


def wait_until_recorded(options: Options, through: int) -> None:
    """Until the tables have everything up to a sequence."""
    wait_until(lambda: recorded(options) >= through, "not everything was recorded")

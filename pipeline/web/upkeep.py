"""Upkeep of the store once a day, at a quiet hour, by the service that holds it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time
from threading import Event, Thread

from pipeline.errors import kind_and_place
from pipeline.taipei import seconds_until
from pipeline.web.house import House

_log = logging.getLogger(__name__)


@contextmanager
def daily(house: House, at: str | None) -> Iterator[None]:
    """Compact and vacuum the tables every day at a time (``HH:MM``, Taipei); ``None``: never."""
    if at is None:
        yield
        return
    stopping = Event()
    hour = time.fromisoformat(at)
    thread = Thread(target=_go_on, args=(house, hour, stopping), name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _go_on(house: House, hour: time, stopping: Event) -> None:
    while not stopping.wait(seconds_until(hour, house.clock())):
        try:
            keep_in_shape(house)
        except Exception as fault:  # told in the log; the next day it is tried again
            _log.error("upkeep failed: %s", kind_and_place(fault))


def keep_in_shape(house: House) -> None:
    """Compact and vacuum the tables now. What comes in meanwhile is taken, and settled afterwards.

    Raises what ``Store.keep_in_shape`` raises.
    """
    fewer, removed = house.service.keep_in_shape()
    _log.info("upkeep: %d files fewer, %d removed", fewer, removed)

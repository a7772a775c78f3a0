"""A service that takes uploads in but doesn't settle them for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from web_house import WebHouse


@contextmanager
def nothing_settled(web: WebHouse) -> Iterator[None]:
    """Uploads wait meanwhile."""
    began, go_on = Event(), Event()

    def hold(_: object) -> None:
        began.set()
        go_on.wait(30)

    asked = web.house.service.settling.ask(hold)
    assert began.wait(30)
    try:
        yield
    finally:
        go_on.set()
        asked.result()

"""A house, opened on a store: accounts, the service that takes uploads in, the desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.desk.desk import Desk
from pipeline.intake.service import open_service
from pipeline.intake.settling import COMMIT_SECONDS
from pipeline.settings import Settings
from pipeline.stream.broker import Cluster
from pipeline.stream.service import open_stream_service
from pipeline.web.house import Doorway, House, now


@contextmanager
def open_house(
    settings: Settings,
    store_uri: str,
    doorway: Doorway,
    *,
    commit_seconds: float = COMMIT_SECONDS,
    clock: Callable[[], datetime] = now,
    tell: Callable[[str], None] | None = None,
    cluster: Cluster | None = None,
) -> Iterator[House]:
    """Open what the web works with: over a store of its own, or in front of the stream that a
    ``cluster`` has. Of its own store everything taken in is settled and committed in the end.

    ``tell`` gets messages for people. Raises what ``open_service``, ``open_stream_service`` and
    ``open_accounts`` raise.
    """
    settings = replace(settings, store_uri=store_uri)
    with (
        open_service(store_uri, settings, commit_seconds=commit_seconds, clock=clock, tell=tell)
        if cluster is None
        else open_stream_service(store_uri, settings, cluster, clock=clock) as service,
        open_accounts(accounts_url(settings, store_uri), clock) as accounts,
    ):
        desk = Desk(store_uri, settings, service, accounts.grants, clock)
        yield House(settings, store_uri, service, desk, accounts, doorway, clock)

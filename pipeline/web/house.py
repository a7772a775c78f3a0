"""What the web's routes share: the open service, the desk, the accounts, the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from pipeline.settings import Settings
from pipeline.taipei import TAIPEI
from pipeline.web.budget import Budget
from pipeline.web.rates import Rates

if TYPE_CHECKING:
    from pipeline.accounts.accounts import Accounts
    from pipeline.desk.desk import Desk
    from pipeline.intake.service import Service
    from pipeline.stream.service import StreamService


def now() -> datetime:
    """The present moment in Asia/Taipei."""
    return datetime.now(TAIPEI)


@dataclass(frozen=True)
class Doorway:
    """How people reach the service.

    ``hosts`` are the names it answers to (empty: any); ``proxies`` the networks (CIDR) of proxies
    whose ``X-Forwarded-For`` and ``-Proto`` are believed; ``https`` whether people come by https,
    so that cookies are for https only.
    """

    hosts: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()
    https: bool = False


@dataclass(frozen=True)
class House:
    """Everything a route may need. Routes ask the desk; they never open the store."""

    settings: Settings
    store_uri: str
    service: Service | StreamService
    desk: Desk
    accounts: Accounts
    doorway: Doorway = field(default_factory=Doorway)
    clock: Callable[[], datetime] = now

    @cached_property
    def budget(self) -> Budget:
        """Bytes that the uploads under way hold."""
        return Budget(self.settings.request_bytes_budget)

    @cached_property
    def rates(self) -> Rates:
        """How often each institution asked."""
        return Rates(self.settings)


def house_of(request: Request) -> House:
    """The house of a request's application."""
    house: House = request.app.state.house
    return house


async def _house(request: Request) -> House:
    """A dependency without a thread of its own, since it waits for nothing."""
    return house_of(request)


HouseOf = Annotated[House, Depends(_house)]

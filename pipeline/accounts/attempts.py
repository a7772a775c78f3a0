"""Lock-out: of a name after wrong passwords in a row, of an address that tries many names.

A name is locked as it was typed, whether there is such an account or not, and a locked name's
password isn't looked at: so being told of a lock tells nothing about either.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from time import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import Connection, delete, select, update

from pipeline.accounts.database import insert_missing
from pipeline.accounts.names import folded, hashed
from pipeline.accounts.tables import ATTEMPTS

WRONG_IN_A_ROW: Final = 10
FIRST_LOCK: Final = timedelta(minutes=15)
LONGEST_LOCK: Final = timedelta(days=1)
_FORGOTTEN: Final = timedelta(days=2)
WRONG_OF_AN_ADDRESS: Final = 60
ADDRESS_MINUTES: Final = 15


def count(at: Connection, typed: str, now: datetime) -> tuple[int, int]:
    """Count a sign-in as wrong before its password is looked at; a right one is taken back.

    Gives for how many seconds the name is locked (0: it may be tried), and for how many it will
    be should this one be wrong. Counted first, many at once get no more tries than one by one.
    """
    name = hashed(folded(typed))
    row = {"name_hash": name, "wrong": 0, "locks": 0, "locked_until": None, "at": now}
    found = select(ATTEMPTS).where(ATTEMPTS.c.name_hash == name).with_for_update()
    held = at.execute(found).one_or_none()
    if held is None:
        insert_missing(at, ATTEMPTS, row)
        held = at.execute(found).one()
    if held.locked_until is not None and held.locked_until > now:
        return _seconds(held.locked_until - now), 0
    wrong, locks, until = held.wrong + 1, held.locks, None
    if wrong >= WRONG_IN_A_ROW:
        until = now + min(FIRST_LOCK * 2 ** min(locks, 10), LONGEST_LOCK)
        wrong, locks = 0, locks + 1
    at.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.name_hash == name)
        .values(wrong=wrong, locks=locks, locked_until=until, at=now)
    )
    return 0, 0 if until is None else _seconds(until - now)


def forget(at: Connection, typed: str, now: datetime) -> None:
    """A right sign-in, or the operator: the name starts anew. Old names are forgotten as well."""
    at.execute(
        delete(ATTEMPTS).where(
            (ATTEMPTS.c.name_hash == hashed(folded(typed))) | (ATTEMPTS.c.at < now - _FORGOTTEN)
        )
    )


def locked_until(at: Connection, name: str, now: datetime) -> datetime | None:
    """Until when a name is locked, if it is."""
    found: datetime | None = at.execute(
        select(ATTEMPTS.c.locked_until).where(ATTEMPTS.c.name_hash == hashed(folded(name)))
    ).scalar_one_or_none()
    return found if found is not None and found > now else None


class Addresses:
    """Wrong sign-ins by address in a sliding window, of this process alone."""

    def __init__(self, most: int = WRONG_OF_AN_ADDRESS, minutes: int = ADDRESS_MINUTES) -> None:
        self._most = RateLimitItemPerMinute(most, minutes)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def seconds(self, address: str) -> int:
        """For how many seconds an address must wait; 0 if it need not."""
        neighbourhood = _neighbourhood(address)
        if self._window.test(self._most, neighbourhood):
            return 0
        reset = self._window.get_window_stats(self._most, neighbourhood).reset_time
        return max(1, _seconds(timedelta(seconds=reset - time())))

    def wrong(self, address: str) -> bool:
        """Count a wrong sign-in; whether the address has to wait from now on."""
        neighbourhood = _neighbourhood(address)
        self._window.hit(self._most, neighbourhood)
        return not self._window.test(self._most, neighbourhood)


def _neighbourhood(address: str) -> str:
    """An IPv4 address, or the /64 that one subscriber of IPv6 has; anything else as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _seconds(span: timedelta) -> int:
    return -(-span // timedelta(seconds=1))

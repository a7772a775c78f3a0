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
    name = name_hash(typed)
    row = {"name_hash": name, "wrong": 0, "locks": 0, "locked_until": None, "at": now}
    found = select(ATTEMPTS).where(ATTEMPTS.c.name_hash == name).with_for_update()
    while (held := at.execute(found).one_or_none()) is None:
        insert_missing(at, ATTEMPTS, row)
    if held.locked_until is not None and held.locked_until > now:
        return _seconds(held.locked_until - now), 0
    wrong, times, until = held.wrong + 1, held.locks, None
    if wrong >= WRONG_IN_A_ROW:
        until = now + min(FIRST_LOCK * 2 ** min(times, 10), LONGEST_LOCK)
        wrong, times = 0, times + 1
    at.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.name_hash == name)
        .values(wrong=wrong, locks=times, locked_until=until, at=now)
    )
    return 0, 0 if until is None else _seconds(until - now)


def forget(at: Connection, typed: str, now: datetime) -> None:
    """A right sign-in, or the operator: the name starts anew. Old names are forgotten as well."""
    at.execute(
        delete(ATTEMPTS).where(
            (ATTEMPTS.c.name_hash == name_hash(typed)) | (ATTEMPTS.c.at < now - _FORGOTTEN)
        )
    )


def locks(at: Connection, now: datetime) -> dict[str, datetime]:
    """Until when names are locked at present, by ``name_hash``."""
    rows = at.execute(
        select(ATTEMPTS.c.name_hash, ATTEMPTS.c.locked_until).where(ATTEMPTS.c.locked_until > now)
    )
    return {row.name_hash: row.locked_until for row in rows}


def name_hash(typed: str) -> str:
    """A name as its tries are counted under; what was typed may be a secret in the wrong box."""
    return hashed(folded(typed))


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

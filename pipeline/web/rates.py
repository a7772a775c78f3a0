"""How often an institution may ask, and how often an address may be wrong about a key."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from pipeline.settings import Settings
from pipeline.web.problems import Problem

WRONG_KEYS: Final = parse("60/minute")  # an address that is wrong more often is only guessing


@dataclass(frozen=True)
class Standing:
    """How somebody stands with a limit: what of it is left, and seconds until it is whole."""

    name: str
    limit: RateLimitItem
    left: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers ``RateLimit`` and ``RateLimit-Policy``."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"{self.name}";r={self.left};t={self.reset_seconds}',
        }


class Rates:
    """Counts requests in this process's memory: one process serves one store."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limits = {
            "uploads": parse(settings.rate_uploads),
            "requests": parse(settings.rate_requests),
            "wrong-keys": WRONG_KEYS,
        }

    def count(self, name: str, whose: str) -> Standing:
        """Count a request by a limit (``uploads``, ``requests``, ``wrong-keys``).

        Raises ``Problem`` 429 where it is one too many.
        """
        limit = self._limits[name]
        taken = self._limiter.hit(limit, name, whose)
        standing = self._standing(name, whose)
        if not taken:
            raise too_many(standing)
        return standing

    def check(self, name: str, whose: str) -> None:
        """Raise ``Problem`` 429 where the next request would be one too many."""
        if not self._limiter.test(self._limits[name], name, whose):
            raise too_many(self._standing(name, whose))

    def _standing(self, name: str, whose: str) -> Standing:
        limit = self._limits[name]
        stats = self._limiter.get_window_stats(limit, name, whose)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        return Standing(name, limit, max(0, stats.remaining), seconds)


def too_many(standing: Standing) -> Problem:
    """Problem 429 of a limit that is used up."""
    seconds = standing.reset_seconds
    return Problem(
        "too-many-requests",
        f"請求過於頻繁（上限 {standing.limit}），請於 {seconds} 秒後再送。",
        f"More than {standing.limit}: send again in {seconds} seconds.",
        headers={"Retry-After": str(seconds), **standing.headers},
    )

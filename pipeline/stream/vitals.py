"""Whether the jobs of a process live, and whether they work: what its probes ask."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

ALIVE_SECONDS: Final = 600.0
"""How long a turn may take: a state may be built meanwhile. Kafka gives a member up after 300."""
READY_SECONDS: Final = 60.0


@dataclass
class Vitals:
    """When each job of a process last ended a turn, by the clock of ``time.monotonic``.

    Any thread may tell. ``_turned`` is ``None`` for a job that has yet to end its first turn, or
    pauses after a fault.
    """

    _told: dict[str, float] = field(default_factory=dict)
    _turned: dict[str, float | None] = field(default_factory=dict)

    def begins(self, job: str) -> None:
        """A job begins, or will begin anew after a pause."""
        self._told[job], self._turned[job] = time.monotonic(), None

    def turns(self, job: str) -> None:
        """A job is between two turns."""
        self._told[job] = self._turned[job] = time.monotonic()

    def alive(self) -> dict[str, bool]:
        """By job, whether it is heard of: where not, the process is to be killed."""
        now = time.monotonic()
        return {job: now - told < ALIVE_SECONDS for job, told in list(self._told.items())}

    def ready(self) -> dict[str, bool]:
        """By job, whether it works now."""
        now = time.monotonic()
        return {
            job: turned is not None and now - turned < READY_SECONDS
            for job, turned in list(self._turned.items())
        }

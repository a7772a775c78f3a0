"""Trying uploads out, for the API and the portal."""

from __future__ import annotations

from typing import Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from pipeline.accounts.who import Who
from pipeline.ingest.unpack import Payload
from pipeline.outcome import Mode
from pipeline.report.answer import Answer
from pipeline.web.house import House

_AT_ONCE: Final = CapacityLimiter(2)  # what was sent must not wait for what is only tried


async def tried(house: House, who: Who, payload: Payload, institution: str, mode: Mode) -> Answer:
    """The verdict alone, nothing is kept; a few at a time. Raises ``NotThereError``."""
    return await run_sync(house.desk.trial, who, payload, institution, mode, limiter=_AT_ONCE)

"""The clock that dates of uploads are read by."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

TAIPEI: Final = ZoneInfo("Asia/Taipei")


def seconds_until(hour: time, now: datetime) -> float:
    """From a moment to the next time that Taipei's clock shows ``hour``."""
    here = now.astimezone(TAIPEI)
    due = datetime.combine(here.date(), hour, TAIPEI)
    return (due + timedelta(days=due <= here) - here).total_seconds()

"""Moments as whole seconds since 1970-01-01 on the Asia/Taipei wall clock, and their ROC texts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

from pipeline.taipei import TAIPEI

DAY = 86_400
HOUR = 3_600

_EPOCH = date(1970, 1, 1)
_CLOCK = [f"{s // 3600:02d}{s // 60 % 60:02d}{s % 60:02d}" for s in range(DAY)]


def moment_of(when: datetime) -> int:
    """Wall-clock seconds of an aware datetime."""
    wall = when.astimezone(TAIPEI).replace(tzinfo=UTC)
    return int(wall.timestamp())


@cache
def date_text(day: int) -> str:
    """ROC yyyMMdd of a day."""
    when = _EPOCH + timedelta(days=day)
    return f"{when.year - 1911:03d}{when.month:02d}{when.day:02d}"


def stamp(moment: int) -> str:
    """ROC yyyMMddHHmmss of a moment."""
    day, second = divmod(moment, DAY)
    return date_text(day) + _CLOCK[second]


@cache
def _year_of(day: int) -> tuple[int, int]:
    """(ROC year, days since its 1 January)."""
    when = _EPOCH + timedelta(days=day)
    return when.year - 1911, (when - date(when.year, 1, 1)).days


def year_and_second(moment: int) -> tuple[int, int]:
    """(ROC year, seconds since its 1 January 00:00:00)."""
    day, second = divmod(moment, DAY)
    year, days = _year_of(day)
    return year, days * DAY + second


def month_of(moment: int) -> int:
    """Months as year * 12 + month - 1."""
    when = _EPOCH + timedelta(days=moment // DAY)
    return when.year * 12 + when.month - 1

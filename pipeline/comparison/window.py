"""The seven days that a comparison is about, and dates as the document writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from pipeline.taipei import TAIPEI

DAYS: Final = 7
_ROC_EPOCH: Final = 1911


@dataclass(frozen=True)
class Window:
    """The visit dates before ``as_of``, the system date: the day itself is not among them."""

    as_of: date

    @property
    def first(self) -> date:
        return self.as_of - timedelta(DAYS)

    @property
    def last(self) -> date:
        return self.as_of - timedelta(1)

    def days(self) -> list[date]:
        """Every visit date, the first first."""
        return [self.first + timedelta(n) for n in range(DAYS)]

    def received(self) -> tuple[datetime, datetime]:
        """From when to when (half open) uploads with such visits can have come: aware moments.

        The system date is included, for a visit of its eve may be sent in its first hours.
        """
        return received_between(self.first, self.as_of)


def received_between(first: date, last: date) -> tuple[datetime, datetime]:
    """The moments of whole days in Taipei, half open."""
    start = datetime.combine(first, time(), TAIPEI)
    return start, datetime.combine(last + timedelta(1), time(), TAIPEI)


def roc_date(day: date) -> str:
    """``yyyMMdd``: 2023-10-16 is 1121016."""
    return f"{day.year - _ROC_EPOCH:03d}{day:%m%d}"


def roc_minute(moment: datetime) -> str:
    """An aware moment as result lists write it: 113/03/20 21:00, in Taipei."""
    here = moment.astimezone(TAIPEI)
    return f"{here.year - _ROC_EPOCH}/{here:%m/%d %H:%M}"

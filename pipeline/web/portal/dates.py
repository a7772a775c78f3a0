"""Days as people write them: 113/03/20, 1130320, 113.3.20, and 2024-03-20 as well."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

_PARTED: Final = re.compile(r"(?:民國)?(\d{2,4})[/.\-年](\d{1,2})[/.\-月](\d{1,2})日?")
_RUN: Final = re.compile(r"(\d{3,4})(\d{2})(\d{2})")
_ROC_EPOCH: Final = 1911
_FIRST_WESTERN_YEAR: Final = 1912
_LAST_YEAR: Final = 2199  # before clocks and calendars end


def read_day(text: str) -> date | None:
    """The day somebody wrote, of the Republic's years or western ones; ``None`` for no day."""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    found = _PARTED.fullmatch(plain) or _RUN.fullmatch(plain)
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    if year < _FIRST_WESTERN_YEAR:
        year += _ROC_EPOCH
    if year > _LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None

"""The clock that dates of uploads are read by."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

TAIPEI: Final = ZoneInfo("Asia/Taipei")

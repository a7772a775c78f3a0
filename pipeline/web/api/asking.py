"""What operations take from a query or header, strictly: an unknown or repeated parameter is told,
since a mistyped ``mode`` must not send officially what was meant as a pre-check."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Annotated, Final

from fastapi import Header, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.web.api.shapes import Mode, Status
from pipeline.web.problems import Problem

MOST_WAIT_SECONDS: Final = 30
_PREFERRED_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?=$|[,;\s])", re.I)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2199, 12, 31)


def _in_calendar(day: date) -> date:
    """The nearest day on which there may be anything: beyond it clocks and calendars end."""
    return min(max(day, _EARLIEST), _LATEST)


Day = Annotated[date, AfterValidator(_in_calendar)]


async def each_once(request: Request) -> None:
    """Raise ``Problem`` 422 for a parameter that is there twice: which one counts is a guess."""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    twice = [name for name, times in counted.items() if times > 1]
    if twice:
        errors = [{"in": "query", "name": name[:40], "message": "given twice"} for name in twice]
        raise Problem("invalid-request", extra={"errors": errors})


class Asked(BaseModel):
    """The parameters of an operation's query; others are refused."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Asked):
    """An operation without parameters."""


class Waiting(Asked):
    """How long to wait for the verdict."""

    wait: int = Field(
        0,
        ge=0,
        le=MOST_WAIT_SECONDS,
        description="等候檢核結果的秒數。Seconds to wait for the verdict.",
    )


class Sending(Waiting):
    """How an upload is sent."""

    mode: Mode = Field("official", description="正式上傳 official, or 預檢 precheck.")
    name: str = Field(
        "",
        max_length=200,
        description="檔名，供人辨識。The file's name, for people.",
        examples=["20251120.xml"],
    )


class Trying(Asked):
    """How an upload is checked."""

    mode: Mode = Field(
        "official", description="By the rules of 正式上傳 official, or 預檢 precheck."
    )
    name: str = Field(
        "", max_length=200, description="檔名，供人辨識。The file's name, for people."
    )


class Listing(Asked):
    """Which uploads are listed."""

    from_: Day | None = Field(
        None,
        alias="from",
        description="收件起日。First day of receipt (Taipei); default: a week ago.",
    )
    to: Day | None = Field(
        None, description="收件迄日。Last day of receipt (Taipei); default: today."
    )
    mode: Mode | None = Field(None, description="只列這種。Only those.")
    status: Status | None = Field(None, description="只列這種。Only those.")
    limit: int = Field(100, ge=1, le=500, description="至多幾筆。At most so many.")
    cursor: str | None = Field(
        None,
        pattern=r"^[0-9]{1,16}~[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        description="前一頁的 cursor。Of the page before.",
    )


class Comparing(Asked):
    """Which week is compared."""

    as_of: Day | None = Field(
        None, description="比對其前七天。The seven days before it; default: today."
    )


class Tracing(Asked):
    """Of which uploads a visit's history is told."""

    mode: Mode = Field("official", description="Of 正式上傳 official, or 預檢 precheck.")


Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`wait=N`：同參數 `wait`。As the parameter `wait`.",
        examples=["wait=5"],
        max_length=200,
    ),
]


def seconds_to_wait(asked: int, prefer: str | None) -> int:
    """How long to wait: what the query says, else ``Prefer: wait=N``, never more than allowed."""
    preferred = _PREFERRED_WAIT.search(prefer or "")
    return min(asked or (int(preferred[1]) if preferred else 0), MOST_WAIT_SECONDS)

"""A week of 1.0 beside its pre-checks, taken in by the whole web service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from web_house import INSURER, PASSWORD, WebHouse, web_house

from pipeline.accounts.who import OPERATOR
from pipeline.generate import DUAL_AS_OF, generate_dual
from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import Sender
from pipeline.outcome import Channel, Mode

AS_OF = "113/03/20"


@dataclass
class Week:
    """A house with such a week; ``told`` is what must come out, by institution."""

    web: WebHouse
    told: dict[str, dict[str, Any]]

    @property
    def lacking(self) -> str:
        """The institution with most visits that don't match."""
        return max(self.told, key=lambda code: len(self.told[code]["unmatched"]))

    def browser(self, institution: str) -> httpx.Client:
        """That of somebody of an institution."""
        return self.web.browser(name_of(institution))


def name_of(institution: str) -> str:
    """The account of an institution."""
    return f"of-{institution}"


@contextmanager
def dual_week(made: Path, folder: Path) -> Iterator[Week]:
    """Some institutions' week, generated below ``made``, in a house in ``folder``."""
    generate_dual(120, 4, 5, 0.2, made, DUAL_AS_OF)
    lines = (made / "expected-pairs.jsonl").read_text().splitlines()
    told = {one["institution"]: one for one in map(json.loads, lines)}
    with web_house(folder) as web:
        web.clock.now = DUAL_AS_OF
        for code, one in told.items():
            web.house.accounts.create_account(
                OPERATOR, name_of(code), role="clinic", institution=code, password=PASSWORD,
                must_change_password=False,
            )  # fmt: skip
            _take(web, made / "v1" / one["upload"], code, "web-api", "official")
            prechecks = made / "precheck" / one["channel"] / one["upload"]
            if prechecks.exists():  # else none of its visits has one
                _take(web, prechecks, code, one["channel"], "precheck")
        _wait_for_tables(web, told)
        yield Week(web, told)


def _take(web: WebHouse, file: Path, institution: str, channel: Channel, mode: Mode) -> None:
    data = file.read_bytes()
    payload = Payload(file.name, data, sha256(data).digest())
    ticket = web.house.service.door.take(payload, Sender(institution, channel, mode, file.name))
    assert web.house.service.outcomes.wait(ticket.upload_id, 60)


def _wait_for_tables(web: WebHouse, told: dict[str, dict[str, Any]]) -> None:
    """Comparisons are made of the tables, which follow within the commit's half second."""
    until = time.monotonic() + 30
    insurer = web.browser(INSURER)
    for code, one in told.items():
        asked = {"as_of": AS_OF, "institution": code}
        while f">{one['matched']}<" not in (page := insurer.get("/precheck", params=asked).text):
            assert time.monotonic() < until, page
            time.sleep(0.1)

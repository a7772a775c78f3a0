"""The whole web service for tests: a real store, accounts, and a server on a port.

Three institutions: X and Y, who know nothing of each other, and Z, which shares a vendor with X.
Its clock stands still at ``EVENING`` until it is moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from accounts_book import quick_hasher
from asgi_server import serving
from fastapi import FastAPI
from senders import Clock
from visit_records import (
    CLINIC,
    HOSPITAL,
    OTHER_CLINIC,
    PERSON,
    SOMEBODY_ELSE,
    Record,
    moment,
    prescribing,
    upload,
    visit,
)

from pipeline.accounts.who import OPERATOR
from pipeline.settings import Settings
from pipeline.stream.broker import Cluster
from pipeline.web.app import create_app
from pipeline.web.house import Doorway, House
from pipeline.web.open_house import open_house
from pipeline.web.server import configuration

X, Y, Z = CLINIC, OTHER_CLINIC, HOSPITAL
NAMES = {X: "clinic-x", Y: "clinic-y", Z: "hospital-z"}
INSURER, AUDITOR = "insurer", "auditor"
PASSWORD = "tower-lamp-goose-42"
THIS_MORNING = moment("2025-12-21T09:30")
XML = {"Content-Type": "application/xml"}


@dataclass
class WebHouse:
    """A service at work. ``keys`` are API keys by institution; ``vendor`` is for X and Z."""

    url: str
    house: House
    app: FastAPI
    clock: Clock
    keys: Mapping[str, str]
    vendor: str
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """Asks with an API key, an institution's own or a key's text; without one as nobody."""
        given = self.keys.get(key or "", key)
        if given:
            headers["Authorization"] = f"Bearer {given}"
        return self._kept(httpx.Client(base_url=self.url, headers=headers, timeout=30))

    def browser(self, name: str | None = None, password: str = PASSWORD) -> httpx.Client:
        """Somebody's browser with its cookies: of an institution, INSURER, AUDITOR, or nobody.

        Signed in through the page, as a person does.
        """
        client = self._kept(httpx.Client(base_url=self.url, timeout=30))
        if name is not None:
            answer = client.post(
                "/sign-in",
                data={"name": NAMES.get(name, name), "password": password}
                | hidden_fields(client.get("/sign-in").text),
            )
            assert answer.status_code == 303, answer.text
        return client

    def send(self, institution: str, *records: Record, mode: str = "official", **query: Any) -> str:
        """Send records and wait for the verdict; gives the upload id."""
        answer = self.client(institution).post(
            "/api/v1/uploads",
            params={"mode": mode, "wait": 20, **query},
            content=upload(records),
            headers=XML,
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] != "waiting"
        return str(answer.json()["upload_id"])

    def commit(self) -> None:
        """Let all that was told reach the tables."""
        self.house.service.settling.ask(lambda _: None).result()

    def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            client.close()

    def _kept(self, client: httpx.Client) -> httpx.Client:
        self._clients.append(client)
        return client


def good_visit(institution: str = X, person: str = PERSON, minutes: int = 0) -> Record:
    """A visit that is taken, this morning and so many minutes later."""
    return prescribing(institution, person, THIS_MORNING + 60 * minutes)


def bad_visit(institution: str = X, person: str = PERSON, minutes: int = 0) -> Record:
    """A visit that is rejected: M44 is missing."""
    return visit(institution, person, THIS_MORNING + 60 * minutes).broken()


def some_uploads(web: WebHouse) -> dict[str, str]:
    """An upload of each institution with a good and a bad record; upload ids by institution."""
    return {
        institution: web.send(
            institution,
            good_visit(institution, person, 1),
            bad_visit(institution, person, 2),
            name=f"{institution}.xml",
        )
        for institution, person in ((X, PERSON), (Y, SOMEBODY_ELSE), (Z, PERSON))
    }


@contextmanager
def web_house(
    folder: Path, settings: Settings | None = None, doorway: Doorway | None = None,
    commit_seconds: float = 0.5, cluster: Cluster | None = None,
) -> Iterator[WebHouse]:  # fmt: skip
    """A service on a new store in a folder, with accounts; commits soon and often.

    With a ``cluster`` it stands in front of a stream, whose workers are to be started.
    """
    clock = Clock()
    settings = replace(settings or Settings(), accounts_url=f"sqlite:///{folder}/accounts.sqlite")
    with open_house(
        settings, str(folder / "store"), doorway or Doorway(), commit_seconds=commit_seconds,
        clock=clock, cluster=cluster,
    ) as house:  # fmt: skip
        keys, vendor = _accounts(house)
        app = create_app(house)
        with served(app) as url:
            web = WebHouse(url, house, app, clock, keys, vendor)
            yield web
            web.close()


def _accounts(house: House) -> tuple[dict[str, str], str]:
    accounts = house.accounts
    accounts._hasher = quick_hasher()
    for institution, name in NAMES.items():
        accounts.create_account(
            OPERATOR, name, role="clinic", institution=institution, password=PASSWORD,
            must_change_password=False,
        )  # fmt: skip
    for name in (INSURER, AUDITOR):
        accounts.create_account(
            OPERATOR, name, role=name, password=PASSWORD, must_change_password=False
        )
    keys = {one: accounts.create_key(OPERATOR, [one], f"key of {one}") for one in (X, Y, Z)}
    return keys, accounts.create_key(OPERATOR, [X, Z], "vendor of X and Z")


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """An application on a port of this machine, configured as ``serve`` does; gives its URL."""
    config = configuration(app)
    config.port = 0
    with serving(config) as url:
        yield url


def hidden_fields(html: str) -> dict[str, str]:
    """The hidden fields of the forms on a page, the last of a name counting."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', html)
    return dict(found)

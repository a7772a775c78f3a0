"""Nobody sees or touches what is another's, by any route: not by a word, not by a difference.

What is somebody else's must be answered as what doesn't exist: the same status and the same bytes
but for the names that were asked by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from attacks import ATTACKS, Ask, Attack, Things, routes_of
from limits import parse
from senders import EVENING
from visit_records import SOMEBODY_ELSE, institution_code, person_id
from web_house import (
    AUDITOR,
    INSURER,
    NAMES,
    WebHouse,
    X,
    Y,
    Z,
    bad_visit,
    good_visit,
    hidden_fields,
    web_house,
)

from pipeline.accounts.who import OPERATOR, Who
from pipeline.report.masking import masked
from pipeline.settings import Settings

CSRF, SESSION = "csrf", "nhi-session"
NOBODYS = institution_code("359909999")
CLINIC_Y = Who("of-y", "y", "clinic", frozenset({Y}))
ENDING = ("/account/sessions/end", "/sign-out")
ROUTES = sorted(ATTACKS, key=lambda route: ENDING.index(route[1]) if route[1] in ENDING else -1)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """A service that doesn't mind how often it is attacked."""
    often = "1000000/minute"
    settings = Settings(rate_uploads=often, rate_requests=often)
    with web_house(tmp_path_factory.mktemp("isolation"), settings) as served:
        served.house.rates._limits["wrong-keys"] = parse(often)
        yield served


@pytest.fixture(scope="module")
def ys(web: WebHouse) -> Things:
    """What Y has: an upload, a held one, a visit, a key, a session."""
    record = good_visit(Y, SOMEBODY_ELSE, 1)
    upload_id = web.send(Y, record, bad_visit(Y, SOMEBODY_ELSE, 2), name="of-y.xml")
    visits = [good_visit(Y, SOMEBODY_ELSE, minutes) for minutes in range(10, 40)]
    web.send(Y, *visits)
    held_id = web.send(Y, *(one.as_format("D") for one in visits))
    web.commit()
    accounts = web.house.accounts
    made = accounts.create_key(OPERATOR, [Y], "another key of Y")
    token = web.browser(Y).cookies[SESSION]
    row = web.house.desk.receipt(CLINIC_Y, upload_id).row
    assert web.house.desk.receipt(CLINIC_Y, held_id).state == "held"
    (session,) = accounts.sessions(token)
    key_id = made.split("_")[1]
    return Things(Y, upload_id, held_id, record.id, row["sha256"], key_id, session.id, visits[0])


@pytest.fixture(scope="module")
def nobodys(ys: Things) -> Things:
    """Names like those of Y's things, of what there isn't."""
    visit, other = (good_visit(NOBODYS, person_id("F", "2", 7_000_001), n) for n in (1, 10))
    turned = [name[:-4] + "0AZ9" for name in (ys.upload_id, ys.held_id)]
    return Things(NOBODYS, *turned, visit.id, "0" * 64, "AAAAAAAA", "AAAAAAAAAAAA", other)


@dataclass(frozen=True)
class Attacker:
    """Somebody who isn't Y; ``csrf`` is the token of their own session."""

    client: httpx.Client
    known: bool
    csrf: str = ""

    def send(self, method: str, ask: Ask) -> httpx.Response:
        more = dict(ask.more)
        if ask.form is not None:
            more["data"] = {CSRF: self.csrf, **ask.form}
        return self.client.request(method, ask.path, **more)


def signed_in(web: WebHouse, name: str) -> Attacker:
    browser = web.browser(name)
    return Attacker(browser, True, hidden_fields(browser.get("/account").text)[CSRF])


@pytest.fixture(scope="module")
def attackers(web: WebHouse, ys: Things) -> Mapping[str, Attacker]:
    accounts = web.house.accounts
    revoked = accounts.create_key(OPERATOR, [Y], "revoked")
    accounts.revoke_key(CLINIC_Y, revoked.split("_")[1])
    ended = web.browser(Y)
    cookie = ended.cookies[SESSION]
    accounts.sign_out(cookie)
    vendor, as_header = web.vendor, "X-NHI-Institution"
    return {
        "key of X": Attacker(web.client(X), True),
        "vendor as itself": Attacker(web.client(vendor), True),
        "vendor as X": Attacker(web.client(vendor, **{as_header: X}), True),
        "vendor as Z": Attacker(web.client(vendor, **{as_header: Z}), True),
        "vendor as Y": Attacker(web.client(vendor, **{as_header: Y}), True),
        "key of X as Y": Attacker(web.client(X, **{as_header: Y}), True),
        "revoked key of Y": Attacker(web.client(revoked), False),
        "session of X": signed_in(web, X),
        "session of Z": signed_in(web, Z),
        "ended session of Y": Attacker(ended, False),
        "nobody": Attacker(web.client(), False),
    }


def told(answer: httpx.Response, things: Things) -> tuple[Any, ...]:
    """Everything an answer tells, without the names it was asked by and ids of the moment."""
    text = answer.content.decode("utf-8", "replace") + str(answer.headers.get("location"))
    shown = (masked("M15", things.treatment_id), masked("M03", things.record.fields["M03"]))
    for name in (*things.names, *filter(None, shown)):
        text = text.replace(name, "⟨name⟩")
    text = re.sub(r"[0-9a-f]{32,64}", "⟨digest⟩", text)
    kept = ("content-type", "content-disposition", "cache-control", "www-authenticate", "allow")
    return answer.status_code, text, [answer.headers.get(name) for name in kept]


def state_of_y(web: WebHouse, ys: Things) -> dict[str, Any]:
    """All that Y has, as the desk and the accounts tell it."""
    house, day = web.house, EVENING.date()
    rows = house.desk.results(CLINIC_Y, Y, day, day, limit=500).uploads
    visits = [house.desk.visit(CLINIC_Y, Y, one) for one in (ys.treatment_id, ys.record.id)]
    return {
        "uploads": [(row["upload_id"], row["status"], row["records"]) for row in rows],
        "versions": [repr(visit) for visit in visits],
        "keys": [(key.id, key.name, key.revoked_at) for key in house.accounts.keys(CLINIC_Y)],
        "reopened": [house.accounts.grants.reopened_until(i) for i in (ys.upload_id, ys.held_id)],
        "audit": [r.number for r in house.accounts.audit.rows(institution=Y, limit=1000)],
        "account": house.accounts.account(NAMES[Y]),
    }


def test_every_route_is_thought_about(web: WebHouse) -> None:
    assert sorted(routes_of(web.app)) == sorted(ATTACKS)


READ = [route for route in ROUTES if route[0] == "GET" and not ATTACKS[route].acts]


@pytest.mark.parametrize("route", READ, ids=" ".join)
def test_head_tells_no_more_than_get(
    route: tuple[str, str],
    attackers: Mapping[str, Attacker],
    ys: Things,
    nobodys: Things,
) -> None:
    attack = ATTACKS[route]
    for who, attacker in attackers.items():
        got = attacker.send("GET", attack.ask(nobodys))
        for things in (ys, nobodys):
            head = attacker.send("HEAD", attack.ask(things))
            assert head.status_code == got.status_code, who
            assert head.content == b"", who
            if attack.way != "open":  # those are the same for all, but for what a browser kept
                sizes = [one.headers.get("content-length") for one in (head, got)]
                assert sizes[0] == sizes[1], who


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_what_is_anothers_is_as_if_it_did_not_exist(
    route: tuple[str, str],
    web: WebHouse,
    attackers: Mapping[str, Attacker],
    ys: Things,
    nobodys: Things,
) -> None:
    method, attack = route[0], ATTACKS[route]
    before = state_of_y(web, ys)
    for who, attacker in attackers.items():
        foreign = attacker.send(method, attack.ask(ys))
        if route[1] == "/sign-out" and who.startswith("session"):
            attacker = signed_in(web, {"X": X, "Z": Z}[who[-1]])
        missing = attacker.send(method, attack.ask(nobodys))
        if attack.acts:
            assert foreign.status_code == missing.status_code, who
        else:
            assert told(foreign, ys) == told(missing, nobodys), who
        assert [name for name in ys.names if name in missing.text] == [], who
        assert foreign.status_code < 500, who
        assert_shut_out(attack, attacker, who, foreign)
    assert state_of_y(web, ys) == before


def assert_shut_out(attack: Attack, attacker: Attacker, who: str, answer: httpx.Response) -> None:
    """Whoever isn't known, or isn't of the role, gets no further than that."""
    keyed = "session" not in who
    if attack.way == "api":
        if not keyed or not attacker.known:
            assert answer.status_code == 401
        elif who.endswith("as Y"):
            assert answer.status_code == 404
    if attack.way == "page" and (keyed or not attacker.known):
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
    if attack.way == "insurer":
        assert answer.status_code == (404 if attacker.known and not keyed else 303)
    if attack.way == "envelope":
        assert answer.json()["RtnCode"] == "9002"


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_its_owner_gets_it(route: tuple[str, str], web: WebHouse, ys: Things) -> None:
    """The requests above do name what is there: whoever may, gets it."""
    method, attack = route[0], ATTACKS[route]
    if attack.owner is None or attack.way == "envelope":
        pytest.skip("ends what others need, or is tested by itself")
    if attack.way == "api":
        owner = Attacker(web.client(Y), True)
    else:
        name = {"insurer": AUDITOR if "audit" in route[1] else INSURER}.get(attack.way, Y)
        owner = signed_in(web, name)
    if route[1].endswith("/revoke"):
        made = web.house.accounts.create_key(OPERATOR, [Y], "to be revoked")
        ys = replace(ys, key_id=made.split("_")[1])
    answer = owner.send(method, attack.ask(ys))
    assert answer.status_code == attack.owner, answer.text


UNSAFE_PAGES = [
    route for route in ROUTES
    if route[0] == "POST" and (ATTACKS[route].way in ("page", "insurer") or route[1] == "/sign-in")
]  # fmt: skip


@pytest.mark.parametrize("route", UNSAFE_PAGES, ids=" ".join)
def test_a_form_needs_the_token_of_its_own_session(
    route: tuple[str, str], web: WebHouse, ys: Things
) -> None:
    attack = ATTACKS[route]
    ask = attack.ask(ys)
    owner = signed_in(web, INSURER if attack.way == "insurer" else Y)
    others = signed_in(web, X).csrf
    before = state_of_y(web, ys)
    fields = dict(ask.form or {})
    for data, more in (
        (fields, {}),
        (fields | {CSRF: ""}, {}),
        (fields | {CSRF: "x" * len(owner.csrf)}, {}),
        (fields | {CSRF: others}, {}),
        (fields | {CSRF: owner.csrf[:-1]}, {}),
        (fields | {CSRF: owner.csrf + "é"}, {}),
        (fields, {"params": {CSRF: owner.csrf}}),
        (fields, {"headers": {"X-CSRF-Token": others}}),
        (fields, {"headers": {"Referer": f"{web.url}/account"}}),
    ):
        answer = owner.client.post(ask.path, data=data, **{**ask.more, **more})  # type: ignore[arg-type]
        assert answer.status_code == 403, (data.keys(), more)
    assert state_of_y(web, ys) == before
    assert web.house.accounts.session(owner.client.cookies[SESSION]) is not None


def test_another_site_cannot_sign_a_browser_in(web: WebHouse) -> None:
    form = {"name": NAMES[Y], "password": "tower-lamp-goose-42", CSRF: "guessed"}
    for cookies in ({}, {"form": "another"}):
        with httpx.Client(base_url=web.url, cookies=cookies, trust_env=False) as client:
            assert client.post("/sign-in", data=form).status_code == 403
            assert SESSION not in client.cookies


def test_a_session_is_never_one_the_browser_brought(web: WebHouse) -> None:
    chosen = "A" * 43
    cookies = {SESSION: chosen}
    with httpx.Client(base_url=web.url, cookies=cookies, trust_env=False) as browser:
        fields = hidden_fields(browser.get("/sign-in").text)
        form = {"name": NAMES[X], "password": "tower-lamp-goose-42", **fields}
        answer = browser.post("/sign-in", data=form)
    assert answer.status_code == 303
    assert chosen not in answer.headers["set-cookie"]
    assert web.house.accounts.session(chosen) is None

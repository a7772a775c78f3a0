"""Signing in at the insurer's provider: what comes in, and every forgery that must not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from limits import parse
from oidc_provider import CLIENT_ID, CLIENT_SECRET, SmallProvider, small_provider
from web_house import AUDITOR, INSURER, NAMES, WebHouse, X, served, web_house

from pipeline.accounts.accounts import Accounts
from pipeline.accounts.who import OPERATOR
from pipeline.errors import PipelineError
from pipeline.settings import OidcSettings, Settings
from pipeline.taipei import TAIPEI
from pipeline.web.app import create_app
from pipeline.web.oidc.provider import ProviderError, provider_of
from pipeline.web.oidc.routes import BACK, BEGIN

SESSION = "nhi-session"


@pytest.fixture(scope="module")
def provider() -> Iterator[SmallProvider]:
    with small_provider() as running:
        yield running


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, provider: SmallProvider) -> Iterator[WebHouse]:
    """A service whose auditor is linked to somebody at the provider."""
    oidc = OidcSettings(provider.issuer, CLIENT_ID, CLIENT_SECRET)
    with web_house(tmp_path_factory.mktemp("oidc"), Settings(oidc=oidc)) as web:
        web.clock.now = datetime.now(TAIPEI)
        web.house.rates._limits["wrong-keys"] = parse("100000/minute")
        web.house.accounts.link_identity(OPERATOR, AUDITOR, provider.issuer, "person-1")
        yield web


@pytest.fixture
def accounts(linked: WebHouse) -> Accounts:
    return linked.house.accounts


@pytest.fixture
def service(linked: WebHouse) -> str:
    return linked.url


@pytest.fixture(autouse=True)
def as_when_nothing_is_wrong(provider: SmallProvider) -> None:
    provider.subject, provider.forged = "person-1", None
    provider.claims, provider.header, provider.discovery = {}, {}, {}
    provider_of.cache_clear()


@pytest.fixture
def browser(service: str) -> Iterator[httpx.Client]:
    """A browser at the service."""
    with httpx.Client(base_url=service, trust_env=False) as client:
        yield client


def back_from_provider(browser: httpx.Client) -> str:
    """Go to the provider; the address that it sends the browser back to."""
    away = browser.get(BEGIN)
    assert away.status_code == 303
    returned = httpx.get(away.headers["location"], trust_env=False)
    assert returned.status_code == 302
    return str(returned.headers["location"])


def is_refused(browser: httpx.Client, answer: httpx.Response) -> bool:
    return answer.status_code in (403, 503) and SESSION not in browser.cookies


def test_a_linked_person_is_let_in_with_a_session_of_their_own(
    browser: httpx.Client, accounts: Accounts
) -> None:
    answer = browser.get(back_from_provider(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    session = accounts.session(browser.cookies[SESSION])
    assert session is not None
    assert (session.name, session.who.role) == (AUDITOR, "auditor")
    assert "nhi-oidc" not in browser.cookies
    (row, *_) = accounts.audit.rows(limit=1)
    assert (row.action, row.who) == ("sign-in.identity", session.who.id)


def test_the_session_that_the_browser_had_before_ends(linked: WebHouse, accounts: Accounts) -> None:
    browser = linked.browser(INSURER)
    before = browser.cookies[SESSION]
    browser.get(back_from_provider(browser))
    assert browser.cookies[SESSION] != before
    assert accounts.session(before) is None


def test_the_sign_in_page_leads_there(browser: httpx.Client) -> None:
    assert f'href="{BEGIN}"' in browser.get("/sign-in").text


def test_what_is_asked_of_the_provider_has_pkce_state_and_nonce(browser: httpx.Client) -> None:
    first, second = (browser.get(BEGIN).headers["location"] for _ in range(2))
    asked, again = (parse_qs(urlsplit(url).query) for url in (first, second))
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid"]
    assert asked["redirect_uri"] == [f"{str(browser.base_url).rstrip('/')}{BACK}"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43
        assert asked[name] != again[name]
    assert CLIENT_SECRET not in first


def test_the_cookie_of_a_sign_in_under_way_is_for_the_browser_alone(browser: httpx.Client) -> None:
    cookie = browser.get(BEGIN).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=600" in cookie


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "third"]},
        {"aud": None},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"iss": "https://another.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["person-1"]},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    browser: httpx.Client, provider: SmallProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert is_refused(browser, browser.get(back_from_provider(browser)))


@pytest.mark.parametrize("forged", ["none", "hmac", "other-key"])
def test_a_token_that_is_not_signed_by_the_provider_lets_nobody_in(
    browser: httpx.Client, provider: SmallProvider, forged: str
) -> None:
    provider.forged = forged
    assert is_refused(browser, browser.get(back_from_provider(browser)))


def test_what_a_provider_adds_to_the_head_of_a_token_does_not_matter(
    browser: httpx.Client, provider: SmallProvider
) -> None:
    provider.header = {"typ": "JWT", "x-of-theirs": "1"}
    assert browser.get(back_from_provider(browser)).status_code == 303


def test_an_answer_is_good_once(browser: httpx.Client, accounts: Accounts) -> None:
    begun = browser.get(BEGIN)
    kept = browser.cookies["nhi-oidc"]
    back = httpx.get(begun.headers["location"], trust_env=False).headers["location"]
    assert browser.get(back).status_code == 303
    browser.cookies.clear()
    browser.cookies.set("nhi-oidc", kept)
    assert is_refused(browser, browser.get(back))
    other_code = re.sub(r"code=[^&]*", "code=another", back)
    assert is_refused(browser, browser.get(other_code))


def test_another_browser_cannot_take_the_answer(browser: httpx.Client, service: str) -> None:
    back = back_from_provider(browser)
    with httpx.Client(base_url=service, trust_env=False) as other:
        assert is_refused(other, other.get(back))
        other.get(BEGIN)
        assert is_refused(other, other.get(back))


@pytest.mark.parametrize(
    "change",
    [
        lambda back: re.sub(r"state=[^&]*", "state=another", back),
        lambda back: re.sub(r"&?state=[^&]*", "", back),
        lambda back: back + "&state=another",
        lambda back: back + "&code=another",
        lambda back: re.sub(r"code=[^&]*", "code=another", back),
        lambda back: re.sub(r"code=[^&]*", "error=access_denied", back),
        lambda back: back + "&iss=https%3A%2F%2Fanother.example",
    ],
)
def test_an_answer_that_was_changed_on_the_way_lets_nobody_in(
    browser: httpx.Client, change: Any
) -> None:
    assert is_refused(browser, browser.get(change(back_from_provider(browser))))


def test_a_forged_cookie_lets_nobody_in(browser: httpx.Client) -> None:
    back = back_from_provider(browser)
    kept = browser.cookies["nhi-oidc"]
    browser.cookies.clear()
    browser.cookies.set("nhi-oidc", kept[:-9] + ("A" if kept[-9] != "A" else "B") + kept[-8:])
    assert is_refused(browser, browser.get(back))


def test_somebody_who_is_not_linked_is_refused_and_that_is_recorded(
    browser: httpx.Client, provider: SmallProvider, accounts: Accounts
) -> None:
    provider.subject = "person-2"
    assert is_refused(browser, browser.get(back_from_provider(browser)))
    (row, *_) = accounts.audit.rows(limit=1)
    assert row.action == "sign-in.refused"
    assert "person-2" not in str(row)


def test_a_disabled_account_stays_out(browser: httpx.Client, accounts: Accounts) -> None:
    accounts.disable(OPERATOR, AUDITOR)
    try:
        assert is_refused(browser, browser.get(back_from_provider(browser)))
    finally:
        accounts.enable(OPERATOR, AUDITOR)


def test_a_clinic_is_never_linked(accounts: Accounts, provider: SmallProvider) -> None:
    with pytest.raises(PipelineError, match="clinic's account"):
        accounts.link_identity(OPERATOR, NAMES[X], provider.issuer, "person-3")


def test_a_new_key_of_the_provider_is_fetched(
    browser: httpx.Client, provider: SmallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser.get(back_from_provider(browser)).status_code == 303
    provider.rotate()
    assert is_refused(httpx.Client(), browser.get(back_from_provider(browser)))
    monkeypatch.setattr("pipeline.web.oidc.provider._ANEW_SECONDS", -1.0)
    fetched = provider.jwks_fetched
    assert browser.get(back_from_provider(browser)).status_code == 303
    assert provider.jwks_fetched == fetched + 1


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://another.example/token"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
    ],
    ids=str,
)
def test_a_provider_that_says_what_none_may_is_not_used(
    browser: httpx.Client, provider: SmallProvider, discovery: dict[str, Any]
) -> None:
    provider.discovery = discovery
    answer = browser.get(BEGIN)
    assert answer.status_code == 503
    assert "nhi-oidc" not in browser.cookies


def test_a_provider_that_does_not_answer_holds_nobody_up(
    browser: httpx.Client, provider: SmallProvider
) -> None:
    dead = provider_of(OidcSettings("http://127.0.0.1:9", CLIENT_ID, CLIENT_SECRET))
    with pytest.raises(ProviderError, match="no answer"):
        dead.endpoints(1_000.0)
    dead._lock.acquire()  # somebody else is asking it
    started = time.perf_counter()
    with pytest.raises(ProviderError, match="busy"):
        dead.endpoints(1_000.0)
    dead._lock.release()
    assert time.perf_counter() - started < 3
    dead.settings = OidcSettings(provider.issuer, CLIENT_ID, CLIENT_SECRET)
    with pytest.raises(ProviderError, match="no answer"):  # it rests
        dead.endpoints(1_005.0)
    assert dead.endpoints(1_010.0).token == f"{provider.issuer}/token"


def test_whoever_guesses_is_slowed_down(linked: WebHouse) -> None:
    with served(create_app(replace(linked.house))) as url, httpx.Client(base_url=url) as guesser:
        codes = [guesser.get(BACK, params={"state": "x", "code": "y"}) for _ in range(62)]
        assert [codes[0].status_code, codes[-1].status_code] == [403, 429]
        assert guesser.get(BEGIN).status_code == 429


def test_without_a_provider_the_pages_are_not_there(linked: WebHouse) -> None:
    without = replace(linked.house, settings=replace(linked.house.settings, oidc=None))
    with served(create_app(without)) as url:
        assert BEGIN not in httpx.get(url + "/sign-in", trust_env=False).text
        for path in (BEGIN, BACK):
            assert httpx.get(url + path, trust_env=False).status_code == 404

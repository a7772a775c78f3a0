"""The way to the insurer's provider and back. Only accounts that the operator linked beforehand
come in by it; clinics' never."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pipeline.accounts.faults import WrongSignInError
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import address_of, begin_session, cookie_name
from pipeline.web.oidc.flow import (
    LIFE_SECONDS,
    Identity,
    NotTheirsError,
    authorization_url,
    begin,
    cookie_of,
    identity_of,
    pending_of,
)
from pipeline.web.oidc.provider import Provider, ProviderError, provider_of
from pipeline.web.problems import Problem, not_found

router = APIRouter(include_in_schema=False)
BEGIN: Final = "/sign-in/insurer"
BACK: Final = "/sign-in/insurer/back"
_log = logging.getLogger(__name__)


@router.get(BEGIN)
def to_provider(request: Request, house: HouseOf) -> Response:
    """Send the browser to the provider."""
    provider, pending = _provider(house), begin()
    house.rates.check("wrong-keys", address_of(request))
    try:
        url = authorization_url(provider, pending, _back(request), house.clock().timestamp())
    except ProviderError as wrong:
        raise _unusable(request, house, wrong) from None
    response = RedirectResponse(url, 303)
    response.set_cookie(
        _cookie_name(house), cookie_of(pending), LIFE_SECONDS, path="/",
        secure=house.doorway.https, httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get(BACK)
def from_provider(request: Request, house: HouseOf) -> Response:
    """Begin a session of whom the provider vouches for; one that the browser had before ends."""
    provider = _provider(house)
    house.rates.check("wrong-keys", address_of(request))
    try:
        identity = _identity(request, house, provider)
        signed_in = house.accounts.sign_in_identity(
            identity.issuer, identity.subject, address_of(request)
        )
    except ProviderError as wrong:
        raise _unusable(request, house, wrong) from None
    except (NotTheirsError, WrongSignInError):
        raise _refused(request, house) from None
    previous = request.cookies.get(cookie_name(house))
    if previous:
        house.accounts.sign_out(previous)
    response = RedirectResponse("/", 303)
    response.delete_cookie(
        _cookie_name(house), path="/", secure=house.doorway.https, httponly=True, samesite="lax"
    )
    begin_session(response, house, signed_in.token)
    return response


def _identity(request: Request, house: House, provider: Provider) -> Identity:
    """Whom the browser's answer is about. Raises ``NotTheirsError``, ``ProviderError``."""
    answer = {name: request.query_params.getlist(name) for name in ("state", "code", "iss")}
    if any(len(values) > 1 for values in answer.values()):
        raise NotTheirsError
    state, code, issuer = ("".join(values) for values in answer.values())
    now = house.clock().timestamp()
    pending = pending_of(request.cookies.get(_cookie_name(house)), state, now)
    if not code or issuer not in ("", provider.settings.issuer):
        raise NotTheirsError
    return identity_of(provider, pending, code, _back(request), now)


def _provider(house: House) -> Provider:
    """The provider; without one these pages aren't there."""
    if house.settings.oidc is None:
        raise not_found()
    return provider_of(house.settings.oidc)


def _back(request: Request) -> str:
    """Where the provider sends the browser back to; it must be registered there."""
    return str(request.base_url).rstrip("/") + BACK


def _cookie_name(house: House) -> str:
    return "__Host-nhi-oidc" if house.doorway.https else "nhi-oidc"


def _unusable(request: Request, house: House, wrong: ProviderError) -> Problem:
    _log.warning("the insurer's provider of sign-ins: %s", wrong.message_en)
    house.rates.count("wrong-keys", address_of(request))
    return Problem("closed", wrong.message_zh, wrong.message_en)


def _refused(request: Request, house: House) -> Problem:
    house.rates.count("wrong-keys", address_of(request))
    return Problem(
        "not-allowed",
        "登入未完成：請從登入頁重新開始；仍不行時，請管理者確認您的帳號已連結。",
        "You are not signed in: start again at the sign-in page. If it stays so, ask the operator "
        "whether your account is linked.",
    )

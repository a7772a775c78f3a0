"""Who asks: an API key in the header, or a person's session in a cookie.

What somebody may see is the desk's business; here it is only found out who they are.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.accounts.accounts import Session
from pipeline.accounts.who import Role, Who
from pipeline.web.house import House, HouseOf
from pipeline.web.problems import Problem, not_found
from pipeline.web.requests import note
from pipeline.web.security import add_headers

_bearer = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="nhi_…",
    description="An API key of an institution, or of a vendor for several. Made on the portal's "
    "account page or by `nhi-upload account key`; shown once.",
    auto_error=False,
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="nhi-upload"'}
CSRF_FIELD: Final = "csrf"


@dataclass(frozen=True)
class Caller:
    """A program that asks. ``who`` is narrowed to the institution it named, if it named one."""

    who: Who

    @property
    def institution(self) -> str:
        """The one institution it acts for. Raises ``Problem`` where that isn't settled."""
        if len(self.who.institutions) == 1:
            return next(iter(self.who.institutions))
        if self.who.institutions:
            raise Problem(
                "bad-request",
                "此金鑰屬於多家機構，請以 X-NHI-Institution 標頭指定其中一家。",
                "This key is for several institutions: name one with the header X-NHI-Institution.",
            )
        raise Problem(
            "not-allowed", "此憑證不屬於任何機構。", "This credential is of no institution."
        )


async def api_caller(
    request: Request,
    house: HouseOf,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    x_nhi_institution: Annotated[
        str | None,
        Header(
            alias="X-NHI-Institution",
            description="金鑰屬於多家時，指定機構。Which institution a key for several acts for.",
            max_length=20,
        ),
    ] = None,
) -> Caller:
    """The program that asks. Raises ``Problem``: 401 without a valid key, 404 for a foreign
    institution, 429 for too many requests."""
    who = await _who_has(given, request, house)
    note(request.scope, by=who.id)
    if x_nhi_institution is not None:
        if not who.owns(x_nhi_institution):
            raise not_found()
        who = replace(who, institutions=frozenset({x_nhi_institution}))
    institution = next(iter(who.institutions)) if len(who.institutions) == 1 else None
    note(request.scope, institution=institution)
    standing = house.rates.count("requests", institution or who.id)
    add_headers(request.scope, standing.headers)
    return Caller(who)


async def _who_has(
    given: HTTPAuthorizationCredentials | None, request: Request, house: House
) -> Who:
    """Who has a key. Raises ``Problem`` 401; 429 to an address that keeps guessing, though not to
    those who share it and have a key."""
    who = None
    if given is not None:
        who = await run_in_threadpool(house.accounts.key, given.credentials)
    if who is None:
        house.rates.count("wrong-keys", address_of(request))
        raise Problem("sign-in-needed", headers=_CHALLENGE)
    return who


def address_of(request: Request) -> str:
    """The IP address a request came from, as a trusted proxy tells it; empty where unknown."""
    return request.client.host if request.client else ""


async def api_who(caller: Annotated[Caller, Depends(api_caller)]) -> Who:
    """Who the program that asks is."""
    return caller.who


def optional_session(request: Request, house: HouseOf) -> Session | None:
    """The session of a page's reader, ``None`` for nobody; kept in ``request.state.session``."""
    token = request.cookies.get(cookie_name(house))
    session = house.accounts.session(token) if token else None
    request.state.session = session
    if session is not None:
        institution = next(iter(session.who.institutions), None)
        note(request.scope, by=session.who.id, institution=institution)
    return session


class SignInNeededError(Exception):
    """A page needs somebody signed in: answered by leading there, and back afterwards."""

    def __init__(self, back: str) -> None:
        super().__init__("sign in first")
        self.location = "/sign-in" + (f"?{urlencode({'next': back})}" if back else "")


async def page_session(
    request: Request, session: Annotated[Session | None, Depends(optional_session)]
) -> Session:
    """The session of a page's reader; nobody is led to ``/sign-in`` and back to a page got by
    ``GET``. Its query isn't kept, since it may tell what was looked for."""
    if session is None:
        raise SignInNeededError(request.url.path if request.method == "GET" else "")
    return session


def page_of(*roles: Role) -> object:
    """A dependency: the session of somebody with one of the roles; to others the page isn't
    there."""

    async def session_of_role(session: Annotated[Session, Depends(page_session)]) -> Session:
        if session.who.role not in roles:
            raise not_found()
        return session

    return Depends(session_of_role)


PageSession = Annotated[Session, Depends(page_session)]
ApiWho = Annotated[Who, Depends(api_who)]
ApiCaller = Annotated[Caller, Depends(api_caller)]


def check_csrf(session: Session, token: object) -> None:
    """Raise ``Problem`` 403 unless a form (field ``csrf``) or script (header ``X-CSRF-Token``)
    carries the session's token."""
    if not isinstance(token, str) or not hmac.compare_digest(token.encode(), session.csrf.encode()):
        raise Problem(
            "not-allowed",
            "頁面已過期，請重新整理後再送出一次。",
            "The page is out of date: load it again, then send once more.",
        )


def cookie_name(house: House) -> str:
    """Of the session's cookie; by https with the prefix that browsers hold to it."""
    return "__Host-nhi-session" if house.doorway.https else "nhi-session"


def begin_session(response: Response, house: House, token: str) -> None:
    """Give a signed-in person's browser the session's cookie."""
    response.set_cookie(
        cookie_name(house), token, path="/", secure=house.doorway.https, httponly=True,
        samesite="lax",
    )  # fmt: skip


def end_session(response: Response, house: House) -> None:
    """Take the session's cookie away."""
    response.delete_cookie(
        cookie_name(house), path="/", secure=house.doorway.https, httponly=True, samesite="lax"
    )

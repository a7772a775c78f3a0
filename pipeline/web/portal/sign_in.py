"""Signing in and out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pipeline.accounts.faults import LockedOutError, WrongSignInError
from pipeline.web.house import House, HouseOf, house_of
from pipeline.web.identity import address_of, begin_session, cookie_name, end_session
from pipeline.web.oidc.routes import BEGIN
from pipeline.web.portal.forms import (
    browser_token,
    check_browser_token,
    keep_token,
    read_fields,
    signed_form,
    text_of,
)
from pipeline.web.portal.navigation import home_of
from pipeline.web.portal.notices import leave_notice
from pipeline.web.portal.page import page
from pipeline.web.portal.reader import Reader

router = APIRouter(include_in_schema=False)
_WRONG: Final = (
    "name",
    "帳號或密碼不正確。請確認大小寫與輸入法後再試。",
    "The account or password is wrong. Check caps lock and input method, then try again.",
)


@router.get("/")
def home(session: Reader) -> Response:
    """The page that somebody begins with."""
    return RedirectResponse(home_of(session.who) if session else "/sign-in", 303)


@router.get("/sign-in")
def sign_in_page(request: Request, house: HouseOf, session: Reader) -> Response:
    """The form; who is signed in already goes on."""
    following = _safe(request.query_params.get("next", ""))
    if session is not None:
        return RedirectResponse(following or home_of(session.who), 303)
    return _form(request, following, ended=cookie_name(house) in request.cookies)


@router.post("/sign-in")
async def sign_in(request: Request, house: HouseOf) -> Response:
    """Begin a session; a session that the browser had before ends."""
    fields = await read_fields(request)
    check_browser_token(request, fields)
    name, following = text_of(fields, "name").strip(), _safe(text_of(fields, "next"))
    address = address_of(request)
    try:
        signed_in = await run_in_threadpool(
            house.accounts.sign_in, name, text_of(fields, "password"), address
        )
    except LockedOutError as locked:
        return _form(request, following, name=name, error=_locked(locked.seconds), status=429)
    except WrongSignInError:
        return _form(request, following, name=name, error=_WRONG, status=422)
    await run_in_threadpool(_end_previous, request, house)
    response = RedirectResponse(following or home_of(signed_in.who), 303)
    begin_session(response, house, signed_in.token)
    return response


@router.post("/sign-out", dependencies=[Depends(signed_form)])
def sign_out(request: Request, house: HouseOf) -> Response:
    """End the session of this browser."""
    _end_previous(request, house)
    response = RedirectResponse("/sign-in", 303)
    end_session(response, house)
    leave_notice(request, response, "signed-out")
    return response


def _end_previous(request: Request, house: House) -> None:
    token = request.cookies.get(cookie_name(house))
    if token:
        house.accounts.sign_out(token)


def _form(
    request: Request,
    following: str,
    *,
    ended: bool = False,
    name: str = "",
    error: tuple[str, str, str] | None = None,
    status: int = 200,
) -> Response:
    token = browser_token(request)
    response = page(
        request,
        "sign_in.html.j2",
        status=status,
        csrf=token,
        following=following,
        ended=ended,
        oidc=BEGIN if house_of(request).settings.oidc else "",
        name=name,
        errors=[error] if error else [],
    )
    keep_token(request, response, token)
    return response


def _locked(seconds: int) -> tuple[str, str, str]:
    minutes = -(-seconds // 60)
    return (
        "name",
        f"嘗試次數過多，請等 {minutes} 分鐘後再登入，或請管理者重設密碼。",
        f"Too many attempts. Wait {minutes} minutes, or ask your administrator to reset it.",
    )


def _safe(following: str) -> str:
    """Where to go after signing in: a page of ours or nothing."""
    inside = following.startswith("/") and not following.startswith(("//", "/\\", "/sign-"))
    return following if inside and following.isprintable() else ""

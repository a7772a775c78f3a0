"""One's own account: password, API keys, where one is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from pipeline.accounts.faults import (
    LockedOutError,
    NoSuchAccountError,
    WeakPasswordError,
    WrongNameError,
    WrongSignInError,
)
from pipeline.accounts.sessions import Session
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import PageSession, address_of, begin_session, cookie_name
from pipeline.web.portal.forms import Form, SignedForm, signed_form, text_of
from pipeline.web.portal.navigation import home_of
from pipeline.web.portal.notices import leave_notice
from pipeline.web.portal.page import page
from pipeline.web.problems import not_found

router = APIRouter(include_in_schema=False)
_ROLES: Final = {
    "clinic": ("醫事服務機構", "Institution"),
    "insurer": ("保險人", "Insurer"),
    "auditor": ("保險人稽核", "Insurer's auditor"),
}
_DIFFERS: Final = ("again", "兩次輸入的新密碼不一樣", "The two new passwords differ")
_WRONG_OLD: Final = ("old", "目前的密碼不正確", "The present password is wrong")
_KEY_NAME: Final = ("key-name", "請寫這把金鑰的用途（至多 60 字）", "Say what the key is for")


@router.get("/account")
def account(request: Request, house: HouseOf, session: PageSession) -> Response:
    """The page."""
    return _page(request, house, session)


@router.post("/account/password")
def change_password(request: Request, house: HouseOf, form: SignedForm) -> Response:
    """A person's own change of password; all their sessions but a new one end."""
    new = text_of(form.fields, "new")
    if new != text_of(form.fields, "again"):
        return _page(request, house, form.session, errors=[_DIFFERS], status=422)
    address = address_of(request) or None
    token = request.cookies[cookie_name(house)]
    try:
        signed_in = house.accounts.change_password(
            token, text_of(form.fields, "old"), new, address
        )  # fmt: skip
    except WrongSignInError:
        return _page(request, house, form.session, errors=[_WRONG_OLD], status=422)
    except (WeakPasswordError, LockedOutError) as wrong:
        field = "new" if isinstance(wrong, WeakPasswordError) else "old"
        errors = [(field, wrong.message_zh, wrong.message_en)]
        return _page(request, house, form.session, errors=errors, status=422)
    first = form.session.must_change_password
    response = RedirectResponse(home_of(signed_in.who) if first else "/account", 303)
    begin_session(response, house, signed_in.token)
    leave_notice(request, response, "password-changed")
    return response


@router.post("/account/keys")
def make_key(request: Request, house: HouseOf, form: SignedForm) -> Response:
    """Make an API key of the institution; its text is on the answer and nowhere else."""
    session = _of_clinic(form)
    try:
        text = house.accounts.create_key(session.who, session.who.institutions, form.text("name"))
    except WrongNameError:
        return _page(request, house, form.session, key_errors=[_KEY_NAME], status=422)
    return _page(request, house, form.session, new_key=text, status=201)


@router.post("/account/keys/revoke")
def revoke_key(request: Request, house: HouseOf, form: SignedForm) -> Response:
    """End an API key of the institution."""
    session = _of_clinic(form)
    try:
        house.accounts.revoke_key(session.who, form.text("key"))
    except NoSuchAccountError:
        raise not_found() from None
    response = RedirectResponse("/account#keys", 303)
    leave_notice(request, response, "key-revoked")
    return response


@router.post("/account/sessions/end", dependencies=[Depends(signed_form)])
def end_sessions(request: Request, house: HouseOf) -> Response:
    """Sign out everywhere but here."""
    house.accounts.end_other_sessions(request.cookies[cookie_name(house)])
    response = RedirectResponse("/account#sessions", 303)
    leave_notice(request, response, "sessions-ended")
    return response


def _of_clinic(form: Form) -> Session:
    """Whose keys they are; the insurer's people have none."""
    if form.session.who.role != "clinic":
        raise not_found()
    return form.session


def _page(
    request: Request,
    house: House,
    session: Session,
    *,
    errors: Sequence[tuple[str, str, str]] = (),
    key_errors: Sequence[tuple[str, str, str]] = (),
    new_key: str = "",
    status: int = 200,
) -> Response:
    token = request.cookies[cookie_name(house)]
    base = request.base_url
    return page(
        request,
        "account.html.j2",
        status=status,
        roles=_ROLES,
        sign_in_name=session.name,
        must_change=session.must_change_password,
        errors=errors,
        key_errors=key_errors,
        new_key=new_key,
        base_url=f"{base.scheme}://{base.netloc}",
        keys=house.accounts.keys(session.who) if session.who.role == "clinic" else None,
        sessions=house.accounts.sessions(token),
    )

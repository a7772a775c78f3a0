"""Who reads a page, if anybody is signed in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request

from pipeline.accounts.sessions import Session
from pipeline.web.identity import SignInNeededError, optional_session

_WITH_TEMPORARY_PASSWORD: Final = ("/account", "/account/password", "/sign-out", "/codes", "/help")


class PasswordNeededError(SignInNeededError):
    """Somebody who was given a password must choose their own before anything else."""

    def __init__(self) -> None:
        super().__init__("")
        self.location = "/account"


def reader(
    request: Request, session: Annotated[Session | None, Depends(optional_session)]
) -> Session | None:
    """The session of who reads; with a temporary password nothing but changing it is open."""
    if session is not None and session.must_change_password:
        allowed = request.url.path in _WITH_TEMPORARY_PASSWORD
        if not allowed and not request.url.path.startswith("/codes/"):
            raise PasswordNeededError
    return session


Reader = Annotated[Session | None, Depends(reader)]

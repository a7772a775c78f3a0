"""Forms: read in a bounded way, and only of who was shown them.

Every form carries the session's token in the field ``csrf``; a script sends it as the header
``X-CSRF-Token``. Before signing in a token of the browser's own stands in for it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.responses import Response

from pipeline.accounts.sessions import Session
from pipeline.web.identity import CSRF_FIELD, PageSession, check_csrf
from pipeline.web.problems import Problem

_MOST_FIELDS: Final = 50
_BROWSER_COOKIE: Final = "form"


@dataclass(frozen=True)
class Form:
    """What somebody signed in wrote into a form."""

    session: Session
    fields: FormData

    def text(self, name: str) -> str:
        """A field without blanks around it; empty where it is absent."""
        return text_of(self.fields, name).strip()

    def texts(self, name: str) -> list[str]:
        """Every value of a field that may be there more than once."""
        return [value for value in self.fields.getlist(name) if isinstance(value, str)]


async def signed_form(request: Request, session: PageSession) -> Form:
    """A small form of the session's own. Raises ``Problem`` 403 without its token, 413."""
    fields = await read_fields(request)
    check_csrf(session, fields.get(CSRF_FIELD))
    return Form(session, fields)


SignedForm = Annotated[Form, Depends(signed_form)]


async def read_fields(request: Request) -> FormData:
    """The fields of a form without files; ``BoundedBody`` bounds it. Raises ``Problem``."""
    stream = request.stream()
    try:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            require_utf8(request)
            parser = MultiPartParser(request.headers, stream, max_files=0, max_fields=_MOST_FIELDS)
            return await parser.parse()
        return await FormParser(request.headers, stream).parse()
    except (MultiPartException, ValueError):
        raise Problem("bad-request") from None


def require_utf8(request: Request) -> None:
    """Raise ``Problem`` 400 unless the parts of a form are in UTF-8, as those of our pages are.

    The parser takes any codec by its name: punycode takes seconds for a small field, and some
    others give what is no text.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise Problem("bad-request")


def text_of(fields: FormData, name: str) -> str:
    """A field as it was written; empty where it is absent or a file."""
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def browser_token(request: Request) -> str:
    """The token of a browser that nobody has signed in with yet; ``keep_token`` keeps it."""
    return request.cookies.get(_BROWSER_COOKIE) or secrets.token_urlsafe(24)


def keep_token(request: Request, response: Response, token: str) -> None:
    """Remember the token that a form before signing in was given."""
    response.set_cookie(
        _BROWSER_COOKIE, token, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def check_browser_token(request: Request, fields: FormData) -> None:
    """Raise ``Problem`` 403 unless a form before signing in came from the browser it was given."""
    kept = request.cookies.get(_BROWSER_COOKIE, "")
    if not kept or not hmac.compare_digest(kept.encode(), text_of(fields, CSRF_FIELD).encode()):
        raise Problem("not-allowed")

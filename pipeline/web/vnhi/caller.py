"""Who speaks the insurer's envelope: a connection that the operator bound to institutions.

Signatures of the envelope can't be verified here. So only the address counts, and the client
certificate that a trusted proxy saw; both are known before the body is read.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from pipeline.accounts.who import Who
from pipeline.web.house import House
from pipeline.web.identity import address_of
from pipeline.web.requests import note
from pipeline.web.security import came_through_proxy
from pipeline.web.vnhi.codes import not_verified

_CERTIFICATE: Final = "client-cert"
_PEM: Final = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
_MOST_CERTIFICATE: Final = 16_384  # characters


@dataclass(frozen=True)
class Connection:
    """A connection and the institutions it is bound to, at least one."""

    address: str
    institutions: frozenset[str]

    def who(self, institution: str) -> Who:
        """Who acts for one of them. Raises ``VnhiError`` for any other."""
        if institution not in self.institutions:
            raise not_verified()
        return Who(f"vnhi:{institution}", "VNHI", "vendor", frozenset({institution}))


async def connection_of(request: Request, house: House) -> Connection:
    """The connection of a request. Raises ``VnhiError`` where it is bound to nothing; ``Problem``
    429 where that was so too often."""
    address = address_of(request)
    house.rates.check("wrong-keys", address)
    fingerprint = _fingerprint(request)
    bound = await run_in_threadpool(house.accounts.bound, address, fingerprint)
    if not bound or _of_a_page(request):
        house.rates.count("wrong-keys", address)
        raise not_verified()
    return Connection(address, frozenset(bound))


def told(request: Request, who: Who) -> None:
    """Name who asks in the access log."""
    note(request.scope, by=who.id, institution=next(iter(who.institutions)))


def _of_a_page(request: Request) -> bool:
    """Whether a browser asks: one at a bound address must not send what a foreign page wants. It
    names its page, and sends JSON of that type to others only if they agree."""
    names_page = "origin" in request.headers or "sec-fetch-site" in request.headers
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return names_page or media_type != "application/json"


def _fingerprint(request: Request) -> str | None:
    """SHA-256 of the client's certificate (DER), in hex, as a trusted proxy tells of it.

    The header ``Client-Cert`` holds it as RFC 9440 has it, ``:base64:``, or as PEM escaped like a
    URL (nginx). One from anybody else, or one that is there twice, counts for nothing.
    """
    values = request.headers.getlist(_CERTIFICATE)
    if not came_through_proxy(request.scope) or len(values) != 1:
        return None
    text = values[0].strip()
    if len(text) > _MOST_CERTIFICATE:
        return None
    if text.startswith(":") and text.endswith(":"):
        encoded = text[1:-1]
    else:
        before, begin, body = unquote(text).strip().partition(_PEM[1])[0].partition(_PEM[0])
        if before or not begin:
            return None
        encoded = "".join(body.split())
    try:
        certificate = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    return hashlib.sha256(certificate).hexdigest() if certificate else None

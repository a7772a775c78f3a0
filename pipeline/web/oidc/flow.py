"""One sign-in at the provider: what goes along with the browser, and what must come back.

The browser carries state, nonce and the PKCE verifier in a cookie that only this process can make,
for ten minutes. A state is good once.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Any, Final

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jws import JWSRegistry

from pipeline.web.oidc.provider import Provider, ProviderError

LIFE_SECONDS: Final = 600
_LEEWAY_SECONDS: Final = 60
_SIGNED: Final = JWSRegistry(  # never "none", never with a shared secret
    algorithms=["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"],
    strict_check_header=False,
)
_signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="nhi-oidc")


class NotTheirsError(Exception):
    """What came back isn't the answer to a sign-in that this browser began here."""


@dataclass(frozen=True)
class Identity:
    """Somebody whom the provider vouches for."""

    issuer: str
    subject: str


@dataclass(frozen=True)
class Pending:
    """A sign-in under way."""

    state: str
    nonce: str
    verifier: str


class _Used:
    """States that were good once, for as long as they could be used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def take(self, state: str, now: float) -> bool:
        """Whether it is the first time."""
        with self._lock:
            self._until = {one: until for one, until in self._until.items() if until > now}
            first = state not in self._until
            self._until[state] = now + LIFE_SECONDS
            return first


_used = _Used()


def begin() -> Pending:
    """A new sign-in."""
    return Pending(*(secrets.token_urlsafe(32) for _ in range(3)))


def cookie_of(pending: Pending) -> str:
    """A sign-in as the browser keeps it."""
    return _signer.dumps([pending.state, pending.nonce, pending.verifier])


def pending_of(cookie: str | None, state: str, now: float) -> Pending:
    """The sign-in that a browser brings back with a state. Raises ``NotTheirsError``: none, another
    browser's, too old, or used before."""
    try:
        pending = Pending(*_signer.loads(cookie or "", max_age=LIFE_SECONDS))
    except BadData:
        raise NotTheirsError from None
    same = hmac.compare_digest(pending.state.encode(), state.encode())
    if not same or not _used.take(pending.state, now):
        raise NotTheirsError
    return pending


def authorization_url(provider: Provider, pending: Pending, redirect_uri: str, now: float) -> str:
    """Where to send the browser. Raises ``ProviderError``."""
    parameters = {
        "response_type": "code",
        "client_id": provider.settings.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": create_s256_code_challenge(pending.verifier),
        "code_challenge_method": "S256",
    }
    url: str = add_params_to_uri(provider.endpoints(now).authorization, list(parameters.items()))
    return url


def identity_of(
    provider: Provider, pending: Pending, code: str, redirect_uri: str, now: float
) -> Identity:
    """Whom the provider vouches for by a code. Raises ``ProviderError`` where its token is not
    signed by it, not for us, not for this sign-in, or out of date."""
    tokens = provider.exchange(code, redirect_uri, pending.verifier, now)
    settings = provider.settings
    token = _verified(provider, tokens.get("id_token"), now)
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.client_id},
        },
        params={
            "nonce": pending.nonce,
            "client_id": settings.client_id,
            "access_token": tokens.get("access_token"),
        },
    )
    try:
        claims.validate(now=int(now), leeway=_LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError):
        raise ProviderError("token") from None
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise ProviderError("token")
    return Identity(settings.issuer, subject)


def _verified(provider: Provider, token: Any, now: float) -> jwt.Token:
    """A token whose signature is the provider's."""
    if not isinstance(token, str):
        raise ProviderError("token")
    try:
        try:
            return jwt.decode(token, provider.keys(now), registry=_SIGNED)
        except InvalidKeyIdError:
            return jwt.decode(token, provider.keys(now, anew=True), registry=_SIGNED)
    except (JoseError, ValueError, TypeError, KeyError):
        raise ProviderError("token") from None

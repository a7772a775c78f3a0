"""A small provider of sign-ins (OpenID Connect), with every way to be wrong that tests ask for.

Real HTTP and real keys: discovery, JWKS, authorization (everybody is signed in at once), token.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from asgi_server import serving
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "nhi-upload", "a secret of 32 characters, or so"


@dataclass
class SmallProvider:
    """A provider. ``claims`` and ``header`` are laid over what its tokens would say, ``discovery``
    over what it says of itself; ``forged`` is how its tokens are signed wrongly."""

    issuer: str
    subject: str = "person-1"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    forged: str | None = None  # "none", "hmac", "other-key"
    jwks_fetched: int = 0

    def __post_init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
        self._codes: dict[str, Mapping[str, str]] = {}

    def rotate(self) -> None:
        """A new key under a new id."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}, private=True)

    def app(self) -> Starlette:
        """The provider's routes."""
        return Starlette(routes=[
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/jwks", self._jwks),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ])  # fmt: skip

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse({
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.discovery,
        })  # fmt: skip

    async def _jwks(self, _: Request) -> Response:
        self.jwks_fetched += 1
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = dict(asked)
        back = f"{asked['redirect_uri']}?code={code}&state={asked['state']}"
        return RedirectResponse(back, 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self._codes.pop(str(form["code"]), None)
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        )
        right = (
            asked is not None
            and basic == f"{CLIENT_ID}:{CLIENT_SECRET}"
            and asked["redirect_uri"] == form["redirect_uri"]
            and asked["code_challenge"] == challenge.decode().rstrip("=")
        )
        if not right or asked is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({
            "access_token": "opaque", "token_type": "Bearer",
            "id_token": self._id_token(asked["nonce"]),
        })  # fmt: skip

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT_ID, "nonce": nonce,
            "iat": now, "exp": now + 300, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid, **self.header}
        if self.forged == "none":
            parts = (b'{"alg":"none"}', jwt.convert_claims(claims))
            return ".".join(_plain(part) for part in parts) + "."
        if self.forged == "hmac":  # the public key taken for a shared secret
            secret = OctKey.import_key(self.key.as_pem(private=False))
            return jwt.encode({**header, "alg": "HS256"}, claims, secret, ["HS256"])
        key = RSAKey.generate_key(2048) if self.forged == "other-key" else self.key
        lenient = JWSRegistry(algorithms=["RS256"], strict_check_header=False)
        return jwt.encode(header, claims, key, registry=lenient)


def _plain(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


@contextmanager
def small_provider() -> Iterator[SmallProvider]:
    """A provider at work."""
    provider = SmallProvider("")
    config = uvicorn.Config(
        provider.app(), port=0, log_level="warning", lifespan="off", proxy_headers=False
    )
    with serving(config) as url:
        provider.issuer = url
        yield provider

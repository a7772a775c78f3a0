"""EDGE: the insurer's provider of sign-ins: where it sends people, and what it says of them.

Discovery and keys are fetched when they are needed and kept for an hour; a token signed with a key
we don't know has the keys fetched anew, at most once a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from pipeline.errors import PipelineError
from pipeline.settings import OidcSettings

_TIMEOUT_SECONDS: Final = 5.0
_KEEP_SECONDS: Final = 3600.0
_ANEW_SECONDS: Final = 60.0
_REST_SECONDS: Final = 10.0  # after a failure, in which nobody is kept waiting for another
_MOST_AT_ONCE: Final = 4  # threads that wait for the provider; pages need the others


class ProviderError(PipelineError):
    """The provider can't be reached, or says what no provider may. Nobody is signed in."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"無法使用健保署的登入服務（{what}），請稍後再試或改用密碼登入",
            f"The insurer's sign-in can't be used ({what}): try later, or sign in by password",
        )


@dataclass(frozen=True)
class Endpoints:
    """What discovery says of a provider."""

    authorization: str
    token: str
    jwks: str


@dataclass(frozen=True)
class _Keys:
    keys: KeySet
    fetched: float


class Provider:
    """A provider by its settings. Safe to share between threads; ``now`` is seconds since 1970."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._failed: float | None = None
        self._endpoints: tuple[Endpoints, float] | None = None
        self._keys: _Keys | None = None

    def endpoints(self, now: float) -> Endpoints:
        """Where it is spoken to. Raises ``ProviderError``."""
        with self._alone():
            if self._endpoints is None or now - self._endpoints[1] > _KEEP_SECONDS:
                self._endpoints = self._discover(now), now
            return self._endpoints[0]

    def keys(self, now: float, *, anew: bool = False) -> KeySet:
        """Its public keys; ``anew`` where one was lacking. Raises ``ProviderError``."""
        jwks = self.endpoints(now).jwks
        with self._alone():
            keep = _ANEW_SECONDS if anew else _KEEP_SECONDS
            if self._keys is None or now - self._keys.fetched > keep:
                try:
                    said = cast("KeySetSerialization", self._json("GET", jwks, now))
                    self._keys = _Keys(KeySet.import_key_set(said), now)
                except (JoseError, ValueError, TypeError, KeyError):
                    raise ProviderError("keys") from None
            return self._keys.keys

    def exchange(self, code: str, redirect_uri: str, verifier: str, now: float) -> dict[str, Any]:
        """What a code is good for; ``ProviderError`` where that is nothing."""
        return self._json(
            "POST",
            self.endpoints(now).token,
            now,
            auth=httpx.BasicAuth(self.settings.client_id, self.settings.client_secret),
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            },
        )

    def _discover(self, now: float) -> Endpoints:
        said = self._json("GET", get_well_known_url(self.settings.issuer, external=True), now)
        if said.get("issuer") != self.settings.issuer:
            raise ProviderError("issuer")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        urls = [said.get(name) for name in names]
        if not all(isinstance(url, str) and _private(url) for url in urls):
            raise ProviderError("endpoints")
        return Endpoints(*map(str, urls))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Fetch what all need once; whoever comes meanwhile waits a moment at most."""
        if not self._lock.acquire(timeout=1.0):
            raise ProviderError("busy")
        try:
            yield
        finally:
            self._lock.release()

    def _json(self, method: str, url: str, now: float, **arguments: Any) -> dict[str, Any]:
        """What the provider says. Right after it failed to, it is not asked."""
        if self._failed is not None and 0 <= now - self._failed < _REST_SECONDS:
            raise ProviderError("no answer")
        if not self._turns.acquire(blocking=False):
            raise ProviderError("busy")
        try:
            return _said(method, url, **arguments)
        except httpx.TransportError:
            self._failed = now
            raise ProviderError("no answer") from None
        finally:
            self._turns.release()


@lru_cache(4)
def provider_of(settings: OidcSettings) -> Provider:
    """The provider of a service, with what is already known of it."""
    return Provider(settings)


def _said(method: str, url: str, **arguments: Any) -> dict[str, Any]:
    """An object of JSON from a URL that must be https, or on this machine. No redirects.

    Raises ``httpx.TransportError`` where nobody answers, ``ProviderError`` for any other trouble.
    """
    if not _private(url):
        raise ProviderError("https")
    try:
        answer = httpx.request(method, url, timeout=_TIMEOUT_SECONDS, **arguments)
        answer.raise_for_status()
        said = answer.json()
    except (httpx.HTTPStatusError, httpx.InvalidURL, ValueError):
        raise ProviderError("refusal") from None
    if not isinstance(said, dict):
        raise ProviderError("answer")
    return said


def _private(url: str) -> bool:
    """Whether nobody on the way reads or changes what is said to a URL."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname or ""))


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

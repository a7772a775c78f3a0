"""The environment, read once into a frozen value. Nothing else reads environment variables.

Every name begins with ``NHI_UPLOAD_``; units stand in the names. A value that can't be read is
the operator's mistake and is told as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.limits import LIMITS, Limits

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


class SettingsError(ValueError):
    """An environment variable holds what it can't."""


@dataclass(frozen=True)
class OidcSettings:
    """The insurer's provider of sign-ins (OpenID Connect) and what this service is to it.

    ``issuer`` is the URL under which ``/.well-known/openid-configuration`` is found.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What the operator set.

    ``debug`` (NHI_UPLOAD_DEBUG) shows stack traces of our own faults; ``allow_utf8``
    (NHI_UPLOAD_ALLOW_UTF8) takes UTF-8 uploads beside Big5; ``store_uri`` (NHI_UPLOAD_STORE) is
    the default of ``--store``; ``limits`` are those of ``pipeline.limits``
    (NHI_UPLOAD_MAX_UPLOAD_BYTES, NHI_UPLOAD_MAX_RECORDS, NHI_UPLOAD_MAX_TEXT_BYTES,
    NHI_UPLOAD_MAX_COMPRESSION_RATIO).

    Of the web service: ``hosts`` (NHI_UPLOAD_HOSTS, by commas) are the names it is published under;
    ``rate_uploads`` (NHI_UPLOAD_RATE_UPLOADS) and ``rate_requests`` (NHI_UPLOAD_RATE_REQUESTS) are
    what an institution may send, like ``600/minute``; ``request_bytes_budget``
    (NHI_UPLOAD_REQUEST_BYTES_BUDGET) bounds the bodies of all requests under way together.
    Downloads of an upload end after ``download_days``
    (NHI_UPLOAD_DOWNLOAD_DAYS); ``id_as_password`` (NHI_UPLOAD_ID_AS_PASSWORD) lets a person's id be
    the password of an encrypted download; ``oidc`` (NHI_UPLOAD_OIDC_ISSUER,
    NHI_UPLOAD_OIDC_CLIENT_ID, NHI_UPLOAD_OIDC_CLIENT_SECRET: all or none) lets the insurer's people
    sign in at their own provider.
    ``accounts_url`` (NHI_UPLOAD_ACCOUNTS_URL) is the database of accounts, like
    ``postgresql+psycopg://user:password@host/name``; without it, a file in the store.

    Of the stream: ``bootstrap_servers`` (NHI_UPLOAD_BOOTSTRAP_SERVERS) is the default of
    ``--bootstrap-servers``; every NHI_UPLOAD_KAFKA_… goes to the Kafka client as it is, such as
    NHI_UPLOAD_KAFKA_SECURITY_PROTOCOL for ``security.protocol``.
    """

    debug: bool = False
    allow_utf8: bool = False
    store_uri: str | None = None
    limits: Limits = LIMITS
    hosts: tuple[str, ...] = ()
    rate_uploads: str = "600/minute"
    rate_requests: str = "3000/minute"
    request_bytes_budget: int = 256 * 1024 * 1024
    download_days: int = 14
    id_as_password: bool = False
    oidc: OidcSettings | None = None
    accounts_url: str | None = field(default=None, repr=False)
    bootstrap_servers: str | None = None
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)


_OIDC_NAMES = (
    "NHI_UPLOAD_OIDC_ISSUER",
    "NHI_UPLOAD_OIDC_CLIENT_ID",
    "NHI_UPLOAD_OIDC_CLIENT_SECRET",
)
_KAFKA = "NHI_UPLOAD_KAFKA_"
_LIMIT_NAMES = {
    "NHI_UPLOAD_MAX_UPLOAD_BYTES": "upload_bytes",
    "NHI_UPLOAD_MAX_RECORDS": "records",
    "NHI_UPLOAD_MAX_TEXT_BYTES": "text_bytes",
    "NHI_UPLOAD_MAX_COMPRESSION_RATIO": "compression_ratio",
}


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment. Raises ``SettingsError``."""
    limits = {
        limit: _positive(name, environment[name])
        for name, limit in _LIMIT_NAMES.items()
        if name in environment
    }
    return Settings(
        debug=_truth("NHI_UPLOAD_DEBUG", environment.get("NHI_UPLOAD_DEBUG", "")),
        allow_utf8=_truth("NHI_UPLOAD_ALLOW_UTF8", environment.get("NHI_UPLOAD_ALLOW_UTF8", "")),
        store_uri=environment.get("NHI_UPLOAD_STORE") or None,
        limits=replace(LIMITS, **limits),
        hosts=_names(environment.get("NHI_UPLOAD_HOSTS", "")),
        rate_uploads=_rate("NHI_UPLOAD_RATE_UPLOADS", environment, Settings.rate_uploads),
        rate_requests=_rate("NHI_UPLOAD_RATE_REQUESTS", environment, Settings.rate_requests),
        request_bytes_budget=_number(
            "NHI_UPLOAD_REQUEST_BYTES_BUDGET", environment, Settings.request_bytes_budget
        ),
        download_days=_positive(
            "NHI_UPLOAD_DOWNLOAD_DAYS", environment.get("NHI_UPLOAD_DOWNLOAD_DAYS", "14")
        ),
        id_as_password=_truth(
            "NHI_UPLOAD_ID_AS_PASSWORD", environment.get("NHI_UPLOAD_ID_AS_PASSWORD", "")
        ),
        oidc=_oidc(environment),
        accounts_url=environment.get("NHI_UPLOAD_ACCOUNTS_URL") or None,
        bootstrap_servers=environment.get("NHI_UPLOAD_BOOTSTRAP_SERVERS") or None,
        kafka={
            name.removeprefix(_KAFKA).lower().replace("_", "."): value
            for name, value in environment.items()
            if name.startswith(_KAFKA)
        },
    )


def _oidc(environment: Mapping[str, str]) -> OidcSettings | None:
    values = [environment.get(name, "") for name in _OIDC_NAMES]
    if not any(values):
        return None
    if not all(values):
        lacking = [name for name, value in zip(_OIDC_NAMES, values, strict=True) if not value]
        raise SettingsError(f"{' and '.join(lacking)} must be set too")
    return OidcSettings(*values)


def _number(name: str, environment: Mapping[str, str], default: int) -> int:
    return _positive(name, environment[name]) if name in environment else default


def _names(text: str) -> tuple[str, ...]:
    """Host names by commas, in lower case."""
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def _rate(name: str, environment: Mapping[str, str], default: str) -> str:
    text = environment.get(name, default).lower()
    if re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
        return text
    raise SettingsError(f"{name}={text!r} is no rate like 600/minute")


def _positive(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise SettingsError(f"{name}={text!r} is no whole number above 0")


def _truth(name: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise SettingsError(f"{name}={text!r} is neither 1 nor 0")

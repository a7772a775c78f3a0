"""The environment, read once into a frozen value. Nothing else reads environment variables.

Every name begins with ``NHI_UPLOAD_``; ``VARIABLES`` says of each what it means, how it is read and
into which setting. A value that can't be read is the operator's mistake and is told as such.
docs/CONFIGURATION.md is made of that table (``python -m pipeline.configuration``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pipeline.limits import LIMITS, Limits

PREFIX: Final = "NHI_UPLOAD_"
_KAFKA: Final = PREFIX + "KAFKA_"
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
    """What the operator set; ``VARIABLES`` says what each means.

    ``limits`` are those of ``pipeline.limits``; ``oidc`` lets the insurer's people sign in at their
    own provider; ``kafka`` goes to the Kafka client as it is.
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
    state: str | None = None
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)


def _text(_: str, text: str) -> str | None:
    return text or None


def _names(_: str, text: str) -> tuple[str, ...]:
    """Host names by commas, in lower case."""
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def _rate(name: str, text: str) -> str:
    if re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text.lower()):
        return text.lower()
    raise SettingsError(f"{name}={text!r} is no rate like 600/minute")


def _positive(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise SettingsError(f"{name}={text!r} is no whole number above 0")


def _truth(name: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise SettingsError(f"{name}={text!r} is neither 1 nor 0")


Part = Literal["everything", "limits", "web", "oidc", "stream"]


@dataclass(frozen=True)
class Variable:
    """One variable: its name after the prefix, the setting it is read into, and what it means.

    ``setting`` is a field of ``Settings``, or of its ``limits`` or ``oidc``, by ``part``. What is
    ``secret`` belongs into a secret store, not into a file beside the others.
    """

    part: Part
    name: str
    setting: str
    read: Callable[[str, str], Any]
    unit: str
    means: str
    secret: bool = False

    @property
    def full_name(self) -> str:
        """As it stands in the environment."""
        return PREFIX + self.name

    @property
    def default(self) -> Any:
        """The value where it isn't set."""
        if self.part == "oidc":
            return None
        return getattr(LIMITS if self.part == "limits" else Settings(), self.setting)


VARIABLES: Final = (
    Variable("everything", "STORE", "store_uri", _text, "URI", "The default of `--store`."),
    Variable("everything", "ALLOW_UTF8", "allow_utf8", _truth, "1 or 0",
             "Take UTF-8 uploads beside Big5."),
    Variable("everything", "DEBUG", "debug", _truth, "1 or 0",
             "Show stack traces of our own faults, and log every upload at every stage."),
    Variable("limits", "MAX_UPLOAD_BYTES", "upload_bytes", _positive, "bytes",
             "Of one upload after unpacking (Z001)."),
    Variable("limits", "MAX_RECORDS", "records", _positive, "records", "Of one upload (Z002)."),
    Variable("limits", "MAX_TEXT_BYTES", "text_bytes", _positive, "bytes",
             "Of one element (Z005)."),
    Variable("limits", "MAX_COMPRESSION_RATIO", "compression_ratio", _positive, "times",
             "Of `.gz` and `.zip` (Z004)."),
    Variable("web", "HOSTS", "hosts", _names, "names by commas",
             "Names under which the service is published; requests under others are refused."),
    Variable("web", "RATE_UPLOADS", "rate_uploads", _rate, "per second, minute, hour or day",
             "Uploads that one institution may send."),
    Variable("web", "RATE_REQUESTS", "rate_requests", _rate, "per second, minute, hour or day",
             "Requests that one institution may send."),
    Variable("web", "REQUEST_BYTES_BUDGET", "request_bytes_budget", _positive, "bytes",
             "What the bodies of all uploads under way may take together."),
    Variable("web", "DOWNLOAD_DAYS", "download_days", _positive, "days",
             "Until a download of an upload ends; it can be asked for again."),
    Variable("web", "ID_AS_PASSWORD", "id_as_password", _truth, "1 or 0",
             "Let a person's id be the password of an encrypted download: weak, advised against."),
    Variable("web", "ACCOUNTS_URL", "accounts_url", _text, "SQLAlchemy URL",
             "Database of accounts, like `postgresql+psycopg://user:password@host/name`; "
             "else a file in the store.", secret=True),
    Variable("oidc", "OIDC_ISSUER", "issuer", _text, "URL",
             "The insurer's provider of sign-ins, above `/.well-known/openid-configuration`; "
             "all three of these or none."),
    Variable("oidc", "OIDC_CLIENT_ID", "client_id", _text, "", "What the service is to it."),
    Variable("oidc", "OIDC_CLIENT_SECRET", "client_secret", _text, "", "Its secret.", secret=True),
    Variable("stream", "BOOTSTRAP_SERVERS", "bootstrap_servers", _text, "host:port by commas",
             "The default of `--bootstrap-servers`."),
    Variable("stream", "STATE", "state", _text, "folder",
             "The default of `worker merge --state`: on a disk of its own, where workers with "
             "`--member` keep their states, each under its name; else in the store, if that is a "
             "folder."),
)  # fmt: skip
"""Every variable by its name; besides, each NHI_UPLOAD_KAFKA_… goes to the Kafka client."""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment. Raises ``SettingsError``."""
    values: dict[str, dict[str, Any]] = {"limits": {}, "oidc": {}, "settings": {}}
    for one in VARIABLES:
        if one.full_name in environment:
            part = one.part if one.part in values else "settings"
            values[part][one.setting] = one.read(one.full_name, environment[one.full_name])
    return Settings(
        **values["settings"],
        limits=replace(LIMITS, **values["limits"]),
        oidc=_oidc(values["oidc"]),
        kafka={
            name.removeprefix(_KAFKA).lower().replace("_", "."): value
            for name, value in environment.items()
            if name.startswith(_KAFKA)
        },
    )


def _oidc(values: Mapping[str, str | None]) -> OidcSettings | None:
    if not any(values.values()):
        return None
    lacking = [
        one.full_name for one in VARIABLES if one.part == "oidc" and not values.get(one.setting)
    ]
    if lacking:
        raise SettingsError(f"{' and '.join(lacking)} must be set too")
    return OidcSettings(**{name: value or "" for name, value in values.items()})

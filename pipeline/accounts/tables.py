"""The tables of accounts, in SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from pipeline.taipei import TAIPEI

AnyRow = Row[*tuple[Any, ...]]


class Moment(TypeDecorator[datetime]):
    """A moment, kept as ISO text in UTC of one width, so that its order as text is its own."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value).astimezone(TAIPEI)


def moment_text(moment: datetime) -> str:
    """A moment as it is kept: ``2026-03-20T13:00:00.000000+00:00``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


TABLES: Final = MetaData()
_HASH = String(64)  # SHA-256 in hexadecimal
_ID = String(20)
_BY = String(80)  # the id of who did it

ABOUT: Final = Table("about", TABLES, Column("format", Integer, nullable=False))

ACCOUNTS: Final = Table(
    "accounts", TABLES,
    Column("id", _ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("display", String(100), nullable=False),
    Column("role", String(10), nullable=False),
    Column("institution", String(10), index=True),
    Column("password", Text),
    Column("must_change_password", Boolean, nullable=False),
    Column("disabled_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("created_by", _BY, nullable=False),
    Column("signed_in_at", Moment),
)  # fmt: skip

IDENTITIES: Final = Table(
    "identities", TABLES,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("account_id", _ID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("linked_at", Moment, nullable=False),
    Column("linked_by", _BY, nullable=False),
)  # fmt: skip

SESSIONS: Final = Table(
    "sessions", TABLES,
    Column("token_hash", _HASH, primary_key=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("account_id", _ID, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("signed_in_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("address", String(64)),
)  # fmt: skip

# Wrong sign-ins in a row by the name that was typed, whether there is such an account or not.
ATTEMPTS: Final = Table(
    "attempts", TABLES,
    Column("name_hash", _HASH, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("locks", Integer, nullable=False),
    Column("locked_until", Moment),
    Column("at", Moment, nullable=False),
)  # fmt: skip

KEYS: Final = Table(
    "keys", TABLES,
    Column("id", _ID, primary_key=True),
    Column("secret_hash", _HASH, nullable=False),
    Column("name", String(100), nullable=False),
    Column("revision", Integer, nullable=False),  # one more with every change of its institutions
    Column("created_at", Moment, nullable=False),
    Column("created_by", _BY, nullable=False),
    Column("used_at", Moment),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)  # fmt: skip

KEY_INSTITUTIONS: Final = Table(
    "key_institutions", TABLES,
    Column("key_id", _ID, ForeignKey("keys.id"), primary_key=True),
    Column("institution", String(10), primary_key=True, index=True),
)  # fmt: skip

BINDINGS: Final = Table(
    "bindings", TABLES,
    Column("kind", String(12), primary_key=True),
    Column("value", String(64), primary_key=True),
    Column("institution", String(10), primary_key=True, index=True),
    Column("bound_at", Moment, nullable=False),
    Column("bound_by", _BY, nullable=False),
)  # fmt: skip

GRANTS: Final = Table(
    "grants", TABLES,
    Column("upload_id", String(26), primary_key=True),
    Column("until", Moment, nullable=False),
    Column("granted_at", Moment, nullable=False),
    Column("granted_by", _BY, nullable=False),
)  # fmt: skip

# Texts as they were hashed. ``number`` has no gaps.
AUDIT: Final = Table(
    "audit", TABLES,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True,
           autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("who", _BY, nullable=False),
    Column("action", String(40), nullable=False),
    Column("object", String(200), nullable=False),
    Column("institution", String(10)),
    Column("detail", Text, nullable=False),
    Column("previous", _HASH, nullable=False),
    Column("hash", _HASH, nullable=False),
)  # fmt: skip
Index("audit_who", AUDIT.c.who, AUDIT.c.number)
Index("audit_institution", AUDIT.c.institution, AUDIT.c.number)
Index("audit_action", AUDIT.c.action, AUDIT.c.number)

"""All of it on one database: who asks, what they may speak for, and the log of it.

Every change appends its row to the audit log in its own transaction; callers append only what
happens elsewhere: downloads, looks, decisions on uploads.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from sqlalchemy.engine import URL

from pipeline.accounts.api_keys import ApiKeys
from pipeline.accounts.audit import AuditLog
from pipeline.accounts.bindings import Bindings
from pipeline.accounts.database import Clock, Database, open_database
from pipeline.accounts.faults import LockedOutError, WeakPasswordError, WrongSignInError
from pipeline.accounts.grants import Grants
from pipeline.accounts.passwords import Hasher
from pipeline.accounts.people import People
from pipeline.accounts.sessions import Session, SignedIn
from pipeline.accounts.sign_ins import SignIns
from pipeline.errors import StoreUnusableError
from pipeline.settings import Settings
from pipeline.store.layout import layout_of
from pipeline.taipei import TAIPEI

__all__ = [
    "Accounts",
    "LockedOutError",
    "Session",
    "SignedIn",
    "WeakPasswordError",
    "WrongSignInError",
    "accounts_url",
    "open_accounts",
]
FILE = "accounts.sqlite"


class Accounts(SignIns, People, ApiKeys, Bindings):
    """The accounts of one service. Safe to use from many threads; close it at the end."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        super().__init__(database, hasher)
        self.audit = AuditLog(database)
        self.grants = Grants(database)

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_accounts(
    url: str | URL, clock: Clock | None = None, hasher: Hasher | None = None
) -> Accounts:
    """The accounts at a URL of SQLAlchemy, made if there are none.

    ``clock`` gives aware moments; by default the present one. Raises ``AccountsUnusableError``.
    """
    return Accounts(open_database(url, clock or _now), hasher or Hasher())


def accounts_url(settings: Settings, store_uri: str) -> str | URL:
    """Where a store's accounts are: as set, or in a file in it. Raises ``StoreUnusableError``."""
    if settings.accounts_url is not None:
        return settings.accounts_url
    layout = layout_of(store_uri)
    if layout.disk is None:
        raise StoreUnusableError(
            f"{layout.uri} 不能存放帳號，請設定 NHI_UPLOAD_ACCOUNTS_URL",
            f"Accounts can't be kept at {layout.uri}; set NHI_UPLOAD_ACCOUNTS_URL",
        )
    return URL.create("sqlite", database=str(layout.disk / FILE))


def _now() -> datetime:
    return datetime.now(TAIPEI)

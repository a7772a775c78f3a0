"""Sessions of signed-in people, by their tokens.

A token is 256 random bits and kept hashed; it is made at sign-in, never taken from a browser. A
session ends twelve hours later, after half an hour without use, or when the password changes or
the account is disabled.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.accounts.audit import note
from pipeline.accounts.database import InDatabase
from pipeline.accounts.faults import NoSuchAccountError
from pipeline.accounts.names import hashed, new_id
from pipeline.accounts.tables import ACCOUNTS, SESSIONS, AnyRow
from pipeline.accounts.who import Who

LONGEST: Final = timedelta(hours=12)
IDLE: Final = timedelta(minutes=30)
_NOTED_EVERY: Final = timedelta(minutes=1)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SESSION: Final = (
    select(SESSIONS.c.id.label("session_id"), SESSIONS.c.signed_in_at, SESSIONS.c.seen_at,
           ACCOUNTS.c.id, ACCOUNTS.c.name, ACCOUNTS.c.display, ACCOUNTS.c.role,
           ACCOUNTS.c.institution, ACCOUNTS.c.must_change_password)
    .join(ACCOUNTS, ACCOUNTS.c.id == SESSIONS.c.account_id)
    .where(ACCOUNTS.c.disabled_at.is_(None))
)  # fmt: skip


@dataclass(frozen=True)
class SignedIn:
    """A new session: ``token`` for the cookie, ``csrf`` for every form."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    who: Who
    must_change_password: bool


@dataclass(frozen=True)
class Session:
    """A session that goes on. ``id`` names it in a list; it lets nobody in."""

    id: str
    who: Who
    csrf: str = field(repr=False)
    name: str
    signed_in_at: datetime
    must_change_password: bool

    @property
    def ends_at(self) -> datetime:
        """When it ends even if it is used."""
        return self.signed_in_at + LONGEST


@dataclass(frozen=True)
class OpenSession:
    """One of a person's sessions, as they see it; ``this`` is the one they look through."""

    id: str
    signed_in_at: datetime
    seen_at: datetime
    address: str | None
    this: bool


class Sessions(InDatabase):
    """Sessions: looked up, listed, ended."""

    def session(self, token: str | None) -> Session | None:
        """The session of a token, if it goes on. Its use is noted once a minute."""
        if token is None or not _TOKEN.fullmatch(token):
            return None
        now, kept = self._database.clock(), hashed(token)
        with self._database.reading() as at:
            found = at.execute(_SESSION.where(SESSIONS.c.token_hash == kept)).one_or_none()
        if found is None or now >= found.signed_in_at + LONGEST or now >= found.seen_at + IDLE:
            return None
        if now >= found.seen_at + _NOTED_EVERY:
            self._database.touch(
                update(SESSIONS).where(SESSIONS.c.token_hash == kept).values(seen_at=now)
            )
        return Session(
            found.session_id, who_of(found), csrf_of(token), found.name, found.signed_in_at,
            found.must_change_password,
        )  # fmt: skip

    def sessions(self, token: str) -> list[OpenSession]:
        """The sessions of whoever's token it is, the one used last first."""
        session = self.session(token)
        if session is None:
            return []
        now = self._database.clock()
        with self._database.reading() as at:
            rows = at.execute(
                select(SESSIONS)
                .where(SESSIONS.c.account_id == session.who.id, _goes_on(now))
                .order_by(SESSIONS.c.seen_at.desc())
            ).all()
        return [
            OpenSession(row.id, row.signed_in_at, row.seen_at, row.address, row.id == session.id)
            for row in rows
        ]

    def sign_out(self, token: str) -> None:
        """End a session; nothing happens if it has ended."""
        session = self.session(token)
        if session is not None:
            self._end(session, SESSIONS.c.id == session.id, "sign-out", session.id)

    def end_session(self, token: str, session_id: str) -> None:
        """End another session of the same person. Raises ``NoSuchAccountError``."""
        session = self.session(token)
        if session is None or not self._end(
            session, SESSIONS.c.id == session_id, "session.ended", session_id
        ):
            raise NoSuchAccountError("沒有這個登入", "There is no such session")

    def end_other_sessions(self, token: str) -> int:
        """End all sessions of a person but this one; how many."""
        session = self.session(token)
        if session is None:
            return 0
        return self._end(session, SESSIONS.c.id != session.id, "session.ended", session.who.id)

    def _end(self, session: Session, which: Any, action: str, object: str) -> int:
        now = self._database.clock()
        with self._database.writing() as at:
            ended = at.execute(
                delete(SESSIONS).where(SESSIONS.c.account_id == session.who.id, which)
            ).rowcount
            if ended:
                institution = next(iter(session.who.institutions), None)
                note(at, now, session.who.id, action, object, institution, {"sessions": ended})
        return ended


def csrf_of(token: str) -> str:
    """What every form of a session carries; it doesn't tell the session's token."""
    return hashed("csrf " + token)


def who_of(account: AnyRow) -> Who:
    """A person, by the row of their account."""
    own = frozenset([account.institution]) if account.institution else frozenset[str]()
    return Who(account.id, account.display, account.role, own)


def end_sessions(at: Connection, account_id: str) -> int:
    """End all sessions of an account; how many."""
    return at.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id)).rowcount


def begin_session(at: Connection, account: AnyRow, address: str | None, now: datetime) -> SignedIn:
    """A new session; those that have ended are forgotten."""
    at.execute(delete(SESSIONS).where(~_goes_on(now)))
    token = secrets.token_urlsafe(32)
    at.execute(
        insert(SESSIONS).values(
            token_hash=hashed(token), id=new_id(), account_id=account.id, signed_in_at=now,
            seen_at=now, address=(address or "")[:64] or None,
        )
    )  # fmt: skip
    return SignedIn(token, csrf_of(token), who_of(account), account.must_change_password)


def _goes_on(now: datetime) -> Any:
    return (SESSIONS.c.signed_in_at > now - LONGEST) & (SESSIONS.c.seen_at > now - IDLE)

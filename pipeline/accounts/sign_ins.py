"""Signing in, and the sessions that come of it.

A session's token is 256 random bits and kept hashed; it is made at sign-in, never taken from a
browser. It ends twelve hours later, after half an hour without use, or when the password changes
or the account is disabled. Every refusal costs the same time and says the same.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.accounts import attempts
from pipeline.accounts.audit import note
from pipeline.accounts.database import Database, InDatabase
from pipeline.accounts.faults import (
    LockedOutError,
    NoSuchAccountError,
    WeakPasswordError,
    WrongNameError,
    WrongSignInError,
)
from pipeline.accounts.names import hashed, new_id, sign_in_name
from pipeline.accounts.passwords import Hasher, normal, require_strong
from pipeline.accounts.tables import ACCOUNTS, IDENTITIES, SESSIONS, AnyRow
from pipeline.accounts.who import Who

LONGEST: Final = timedelta(hours=12)
IDLE: Final = timedelta(minutes=30)
NOBODY: Final = "-"  # who, in the audit log, where nobody is known
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


class SignIns(InDatabase):
    """Sign-ins, and sessions by their tokens."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        super().__init__(database)
        self._hasher = hasher
        self._addresses = attempts.Addresses()

    def sign_in(self, name: str, password: str, address: str | None = None) -> SignedIn:
        """Let a person in. Raises ``WrongSignInError`` or ``LockedOutError``.

        ``address`` is where they are, as text; without it no limit by address holds.
        """
        account = self._checked(name, password, address, "sign-in.refused")
        now = self._database.clock()
        renewed = self._hasher.hash(password) if self._hasher.is_old(account.password) else None
        with self._database.writing() as at:
            self._keep(at, account, {"signed_in_at": now, "password": renewed or account.password})
            attempts.forget(at, name, now)
            signed_in = _begin(at, account, address, now)
            note(at, now, account.id, "sign-in", account.id, account.institution,
                 {"address": address})  # fmt: skip
        return signed_in

    def sign_in_identity(self, issuer: str, subject: str, address: str | None = None) -> SignedIn:
        """Let a person of the insurer in whom their provider vouches for.

        Raises ``WrongSignInError`` unless the operator linked the identity to their account.
        """
        now = self._database.clock()
        with self._database.writing() as at:
            account = at.execute(
                select(ACCOUNTS).join(IDENTITIES, IDENTITIES.c.account_id == ACCOUNTS.c.id)
                .where(IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject)
                .where(ACCOUNTS.c.disabled_at.is_(None), ACCOUNTS.c.role != "clinic")
            ).one_or_none()  # fmt: skip
            if account is not None:
                at.execute(
                    update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(signed_in_at=now)
                )
                signed_in = _begin(at, account, address, now)
                note(at, now, account.id, "sign-in.identity", account.id, None,
                     {"address": address, "issuer": issuer})  # fmt: skip
                return signed_in
            note(at, now, NOBODY, "sign-in.refused", NOBODY, None,
                 {"address": address, "issuer": issuer})  # fmt: skip
        raise WrongSignInError

    def change_password(
        self, token: str, old: str, new: str, address: str | None = None
    ) -> SignedIn:
        """A person's own change: ends all of their sessions and begins a new one.

        Raises ``WrongSignInError`` (no session, or another password), ``LockedOutError`` or
        ``WeakPasswordError``.
        """
        session = self.session(token)
        if session is None:
            raise WrongSignInError
        account = self._checked(session.name, old, address, "password.refused")
        if normal(new) == normal(old):
            raise WeakPasswordError("新密碼須與原密碼不同", "The new password must be another one")
        require_strong(new, [account.name, account.display, account.institution or ""])
        with self._hasher.turn():
            kept = self._hasher.hash(new)
        now = self._database.clock()
        with self._database.writing() as at:
            self._keep(at, account, {"password": kept, "must_change_password": False})
            attempts.forget(at, account.name, now)
            end_sessions(at, account.id)
            account = at.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account.id)).one()
            signed_in = _begin(at, account, address, now)
            note(at, now, account.id, "password.changed", account.id, account.institution,
                 {"address": address})  # fmt: skip
        return signed_in

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

    def _checked(self, name: str, password: str, address: str | None, refused: str) -> AnyRow:
        """The account of a name and its password. Raises, having noted it, for a wrong one."""
        wait = self._addresses.seconds(address) if address else 0
        if wait:
            raise LockedOutError(wait)
        with self._hasher.turn():
            with self._database.writing() as at:
                locked, locks = attempts.count(at, name, self._database.clock())
                account = account_row(at, name)
            if locked:
                raise LockedOutError(locked)
            kept = None if account is None else account.password
            right = self._hasher.matches(kept, password)
        if account is not None and right and account.disabled_at is None:
            return account
        waits = bool(address) and self._addresses.wrong(address or "")
        detail = {"address": address, "locked_seconds": locks, "address_waits": waits}
        self._refuse(account, refused, {name: value for name, value in detail.items() if value})
        raise WrongSignInError

    def _refuse(self, account: AnyRow | None, action: str, detail: dict[str, Any]) -> None:
        """Note a refusal. What was typed is not: it may be a password in the wrong box."""
        who = NOBODY if account is None else account.id
        institution = None if account is None else account.institution
        with self._database.writing() as at:
            note(at, self._database.clock(), who, action, who, institution, detail)

    @staticmethod
    def _keep(at: Connection, account: AnyRow, values: dict[str, Any]) -> None:
        """Change an account unless it has been since it was checked."""
        kept = at.execute(
            update(ACCOUNTS).values(values).where(
                ACCOUNTS.c.id == account.id, ACCOUNTS.c.disabled_at.is_(None),
                ACCOUNTS.c.password == account.password,
            )
        ).rowcount  # fmt: skip
        if not kept:
            raise WrongSignInError


def account_row(at: Connection, typed: str) -> AnyRow | None:
    """The row of the account that a name names, if there is one."""
    with suppress(WrongNameError):
        name = sign_in_name(typed)
        return at.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return None


def csrf_of(token: str) -> str:
    """What every form of a session carries; it doesn't tell the session's token."""
    return hashed("csrf " + token)


def same_secret(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that doesn't tell where they differ."""
    return compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def who_of(account: AnyRow) -> Who:
    """A person, by the row of their account."""
    own = frozenset([account.institution]) if account.institution else frozenset[str]()
    return Who(account.id, account.display, account.role, own)


def end_sessions(at: Connection, account_id: str) -> int:
    """End all sessions of an account; how many."""
    return at.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id)).rowcount


def _begin(at: Connection, account: AnyRow, address: str | None, now: datetime) -> SignedIn:
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

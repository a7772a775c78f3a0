"""Signing in: by a password, or vouched for by the insurer's provider.

Every refusal of a password costs the same time and says the same.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, select, update

from pipeline.accounts import attempts
from pipeline.accounts.audit import note
from pipeline.accounts.database import Database
from pipeline.accounts.faults import LockedOutError, WeakPasswordError, WrongSignInError
from pipeline.accounts.passwords import Hasher, normal, require_strong
from pipeline.accounts.people import account_row
from pipeline.accounts.sessions import Sessions, SignedIn, begin_session, end_sessions
from pipeline.accounts.tables import ACCOUNTS, IDENTITIES, AnyRow

NOBODY: Final = "-"  # who, in the audit log, where nobody is known


class SignIns(Sessions):
    """Sign-ins, and the sessions that come of them."""

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
            signed_in = begin_session(at, account, address, now)
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
                signed_in = begin_session(at, account, address, now)
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
        # Before the old one is looked at, which counts as wrong until all is done.
        if normal(new) == normal(old):
            raise WeakPasswordError("新密碼須與原密碼不同", "The new password must be another one")
        require_strong(new, [session.name, session.who.name, *session.who.institutions])
        account = self._checked(session.name, old, address, "password.refused")
        with self._hasher.turn():
            kept = self._hasher.hash(new)
        now = self._database.clock()
        with self._database.writing() as at:
            self._keep(at, account, {"password": kept, "must_change_password": False})
            attempts.forget(at, account.name, now)
            end_sessions(at, account.id)
            account = at.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account.id)).one()
            signed_in = begin_session(at, account, address, now)
            note(at, now, account.id, "password.changed", account.id, account.institution,
                 {"address": address})  # fmt: skip
        return signed_in

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

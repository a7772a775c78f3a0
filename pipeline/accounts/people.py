"""Accounts of people, as the operator manages them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from pipeline.accounts import attempts
from pipeline.accounts.audit import note
from pipeline.accounts.database import InDatabase, insert_missing
from pipeline.accounts.faults import (
    NoSuchAccountError,
    NotAllowedError,
    WrongNameError,
    no_such_account,
)
from pipeline.accounts.names import institution_code, new_id, shown_name, sign_in_name
from pipeline.accounts.passwords import Hasher, require_strong
from pipeline.accounts.sessions import end_sessions
from pipeline.accounts.tables import ACCOUNTS, IDENTITIES, AnyRow
from pipeline.accounts.who import Role, Who

ROLES: Final[tuple[Role, ...]] = ("clinic", "insurer", "auditor")  # a vendor is a key, see ``keys``


@dataclass(frozen=True)
class Account:
    """A person's account. ``name`` is what they type, ``display`` what is shown."""

    id: str
    name: str
    display: str
    role: Role
    institution: str | None
    has_password: bool
    must_change_password: bool
    disabled_at: datetime | None
    locked_until: datetime | None
    created_at: datetime
    created_by: str
    signed_in_at: datetime | None


@dataclass(frozen=True)
class Identity:
    """Somebody at the insurer's provider of sign-ins, linked to an account here."""

    issuer: str
    subject: str
    linked_at: datetime
    linked_by: str


class People(InDatabase):
    """Accounts: made, listed, disabled. ``by`` must be the operator, else ``NotAllowedError``."""

    _hasher: Hasher

    def create_account(
        self, by: Who, name: str, *, role: Role, institution: str | None = None,
        display: str | None = None, password: str | None = None, must_change_password: bool = True,
    ) -> Account:  # fmt: skip
        """Make an account; without a password nobody signs in but by a linked identity.

        Raises ``WrongNameError`` (also where the name is taken) or ``WeakPasswordError``.
        """
        _operator_only(by)
        if role not in ROLES or (role == "clinic") != (institution is not None):
            raise WrongNameError(
                "院所帳號須有機構代碼，其他角色不可有",
                "An account of a clinic needs its institution; the others have none",
            )
        row = {
            "id": new_id(), "name": sign_in_name(name), "display": shown_name(display or name),
            "role": role, "institution": institution and institution_code(institution),
            "password": None, "must_change_password": False,
            "created_at": self._database.clock(), "created_by": by.id,
        }  # fmt: skip
        if password is not None:
            row |= {
                "password": self._hashed(password, sign_in_name(name), display, institution),
                "must_change_password": must_change_password,
            }
        with self._database.writing() as at:
            if not insert_missing(at, ACCOUNTS, row):
                raise WrongNameError("這個帳號已有人使用", "This name is taken")
            note(at, self._database.clock(), by.id, "account.created", str(row["id"]),
                 institution, {"name": row["name"], "role": role})  # fmt: skip
        return self.account(name)

    def account(self, name: str) -> Account:
        """An account by its sign-in name. Raises ``NoSuchAccountError``."""
        with self._database.reading() as at:
            row, locked = _row(at, name), attempts.locks(at, self._database.clock())
        return _told(row, locked)

    def all_accounts(
        self, *, institution: str | None = None, role: Role | None = None
    ) -> list[Account]:
        """All accounts by name, or those of an institution or a role."""
        asked = select(ACCOUNTS).order_by(ACCOUNTS.c.name)
        if institution is not None:
            asked = asked.where(ACCOUNTS.c.institution == institution)
        if role is not None:
            asked = asked.where(ACCOUNTS.c.role == role)
        with self._database.reading() as at:
            rows, locked = at.execute(asked).all(), attempts.locks(at, self._database.clock())
        return [_told(row, locked) for row in rows]

    def disable(self, by: Who, name: str) -> Account:
        """Nobody signs in by it any more; its sessions end. API keys it made stay: see them."""
        return self._change(by, name, "account.disabled", {"disabled_at": self._database.clock()})

    def enable(self, by: Who, name: str) -> Account:
        """Undo ``disable``; a lock after wrong passwords ends too."""
        return self._change(by, name, "account.enabled", {"disabled_at": None}, end=False)

    def set_password(
        self, by: Who, name: str, password: str | None, *, must_change_password: bool = True
    ) -> Account:
        """The operator's change; ``None`` takes the password away. Sessions and locks end.

        Raises ``NoSuchAccountError`` or ``WeakPasswordError``.
        """
        _operator_only(by)
        with self._database.reading() as at:
            row = _row(at, name)
        if password is None:
            values: dict[str, Any] = {"password": None, "must_change_password": False}
        else:
            kept = self._hashed(password, row.name, row.display, row.institution)
            values = {"password": kept, "must_change_password": must_change_password}
        return self._change(by, name, "password.set", values)

    def link_identity(self, by: Who, name: str, issuer: str, subject: str) -> None:
        """Let somebody of the insurer's provider sign in as an account of the insurer.

        Raises ``WrongNameError`` for a clinic's account, or an identity that is linked already.
        """
        _operator_only(by)
        now = self._database.clock()
        with self._database.writing() as at:
            row = _row(at, name)
            if row.role == "clinic":
                raise WrongNameError(
                    "院所帳號不能連結機關帳號", "A clinic's account can't be linked to an identity"
                )
            link = {"issuer": issuer, "subject": subject, "account_id": row.id,
                    "linked_at": now, "linked_by": by.id}  # fmt: skip
            if not insert_missing(at, IDENTITIES, link):
                raise WrongNameError("這個機關帳號已連結", "This identity is linked already")
            note(at, now, by.id, "identity.linked", row.id, None, {"issuer": issuer})

    def unlink_identity(self, by: Who, name: str, issuer: str, subject: str) -> None:
        """Undo ``link_identity``; their sessions end. Raises ``NoSuchAccountError``."""
        _operator_only(by)
        with self._database.writing() as at:
            row = _row(at, name)
            if not at.execute(
                delete(IDENTITIES).where(
                    IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject,
                    IDENTITIES.c.account_id == row.id,
                )
            ).rowcount:  # fmt: skip
                raise NoSuchAccountError("沒有這個連結", "There is no such link")
            end_sessions(at, row.id)
            note(at, self._database.clock(), by.id, "identity.unlinked", row.id, None,
                 {"issuer": issuer})  # fmt: skip

    def identities(self, name: str) -> list[Identity]:
        """Who may sign in as an account by the insurer's provider."""
        with self._database.reading() as at:
            rows = at.execute(
                select(IDENTITIES).where(IDENTITIES.c.account_id == _row(at, name).id)
            ).all()
        return [Identity(row.issuer, row.subject, row.linked_at, row.linked_by) for row in rows]

    def _change(
        self, by: Who, name: str, action: str, values: dict[str, Any], *, end: bool = True
    ) -> Account:
        _operator_only(by)
        now = self._database.clock()
        with self._database.writing() as at:
            row = _row(at, name)
            at.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == row.id).values(values))
            attempts.forget(at, row.name, now)
            if end:
                end_sessions(at, row.id)
            note(at, now, by.id, action, row.id, row.institution, {"name": row.name})
        return self.account(name)

    def _hashed(self, password: str, *words: str | None) -> str:
        """A new password's hash. Raises ``WeakPasswordError``."""
        require_strong(password, [word for word in words if word])
        return self._hasher.hash(password)


def account_row(at: Connection, typed: str) -> AnyRow | None:
    """The row of the account that a name names, if there is one."""
    with suppress(WrongNameError):
        name = sign_in_name(typed)
        return at.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return None


def _told(row: AnyRow, locked: dict[str, datetime]) -> Account:
    return Account(
        row.id, row.name, row.display, row.role, row.institution, row.password is not None,
        row.must_change_password, row.disabled_at, locked.get(attempts.name_hash(row.name)),
        row.created_at, row.created_by, row.signed_in_at,
    )  # fmt: skip


def _row(at: Connection, name: str) -> AnyRow:
    found = account_row(at, name)
    if found is None:
        raise no_such_account()
    return found


def _operator_only(by: Who) -> None:
    if by.role != "operator":
        raise NotAllowedError

"""API keys: ``nhi_``, eight signs that name the key, ``_``, and 256 random bits.

Only the secret's hash is kept. A key speaks for one or many institutions and for nobody else.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.accounts.audit import note
from pipeline.accounts.database import Database, InDatabase
from pipeline.accounts.faults import NoSuchAccountError, NotAllowedError, WrongNameError
from pipeline.accounts.names import hashed, institution_code, new_id, same_secret, shown_name
from pipeline.accounts.tables import KEY_INSTITUTIONS, KEYS, AnyRow
from pipeline.accounts.who import Who

_FORM: Final = re.compile(r"nhi_([a-z]{8})_([A-Za-z0-9_-]{43})")
_NOTED_EVERY: Final = timedelta(minutes=1)
_REMEMBERED: Final = 10_000  # keys whose institutions are kept in memory
_OF_KEY: Final = select(KEY_INSTITUTIONS.c.institution)


@dataclass(frozen=True)
class ApiKey:
    """A key as it may be shown: never its secret.

    ``institutions`` are those that whoever asked may know of.
    """

    id: str
    name: str
    institutions: frozenset[str]
    created_at: datetime
    created_by: str
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def works(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiKeys(InDatabase):
    """Keys: looked up, made, revoked."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._institutions: dict[tuple[str, int], frozenset[str]] = {}

    def key(self, text: str) -> Who | None:
        """Who comes with a key, if it works. Its use is noted once a minute."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        now, (key_id, secret) = self._database.clock(), form.groups()
        with self._database.reading() as at:
            found = at.execute(select(KEYS).where(KEYS.c.id == key_id)).one_or_none()
            if found is None or not same_secret(hashed(secret), found.secret_hash):
                return None
            if not _told(found, frozenset()).works(now):
                return None
            institutions = self._of(at, key_id, found.revision)
        if found.used_at is None or now >= found.used_at + _NOTED_EVERY:
            self._database.touch(update(KEYS).where(KEYS.c.id == key_id).values(used_at=now))
        return Who(f"key:{key_id}", found.name, "vendor", institutions)

    def create_key(
        self, who: Who, institutions: Collection[str], name: str, *,
        expires_at: datetime | None = None,
    ) -> str:  # fmt: skip
        """Make a key and give its text, which nothing can show again.

        A clinic's person makes them for their own institution, the operator for any. Raises
        ``NotAllowedError`` or ``WrongNameError``.
        """
        _may(who)
        speaks_for = sorted({institution_code(code) for code in institutions})
        if not speaks_for:
            raise WrongNameError("金鑰至少須有一家機構", "A key is for at least one institution")
        if who.role != "operator" and not who.institutions.issuperset(speaks_for):
            raise NotAllowedError
        key_id, secret, now = new_id(8), secrets.token_urlsafe(32), self._database.clock()
        row = {"id": key_id, "secret_hash": hashed(secret), "name": shown_name(name),
               "revision": 0, "created_at": now, "created_by": who.id,
               "expires_at": expires_at}  # fmt: skip
        with self._database.writing() as at:
            at.execute(insert(KEYS).values(row))
            at.execute(
                insert(KEY_INSTITUTIONS),
                [{"key_id": key_id, "institution": code} for code in speaks_for],
            )
            note(at, now, who.id, "key.created", key_id, _one(speaks_for),
                 {"name": name, "institutions": speaks_for})  # fmt: skip
        return f"nhi_{key_id}_{secret}"

    def keys(self, who: Who, institution: str | None = None) -> list[ApiKey]:
        """Keys that may speak for somebody's institutions, the newest first; the operator's: all.

        ``institution`` narrows them to one.
        """
        if who.of_insurer:
            return []
        asked = (
            select(KEYS, KEY_INSTITUTIONS.c.institution)
            .join(KEY_INSTITUTIONS, KEY_INSTITUTIONS.c.key_id == KEYS.c.id)
            .order_by(KEYS.c.created_at.desc(), KEYS.c.id)
        )
        if who.role != "operator":
            asked = asked.where(KEY_INSTITUTIONS.c.institution.in_(who.institutions))
        if institution is not None:
            asked = asked.where(KEY_INSTITUTIONS.c.institution == institution)
        found: dict[str, ApiKey] = {}
        with self._database.reading() as at:
            for row in at.execute(asked):
                known = found.get(row.id) or _told(row, frozenset())
                found[row.id] = replace(known, institutions=known.institutions | {row.institution})
        return list(found.values())

    def revoke_key(self, who: Who, key_id: str) -> None:
        """End a key. Of one that speaks for others too, a clinic withdraws its own institution.

        Raises ``NoSuchAccountError`` for one that is none of theirs, or revoked already.
        """
        _may(who)
        now = self._database.clock()
        with self._database.writing() as at:
            found = at.execute(
                select(KEYS).where(KEYS.c.id == key_id).with_for_update()
            ).one_or_none()
            all_of_it = self._read(at, key_id)
            own = all_of_it if who.role == "operator" else all_of_it & who.institutions
            if found is None or found.revoked_at is not None or not own:
                raise NoSuchAccountError("沒有這個金鑰", "There is no such key")
            ends = own == all_of_it
            if ends:
                values: dict[str, Any] = {"revoked_at": now}
            else:
                values = {"revision": found.revision + 1}
                at.execute(
                    delete(KEY_INSTITUTIONS).where(
                        KEY_INSTITUTIONS.c.key_id == key_id, KEY_INSTITUTIONS.c.institution.in_(own)
                    )
                )
            at.execute(update(KEYS).where(KEYS.c.id == key_id).values(values))
            note(at, now, who.id, "key.revoked" if ends else "key.withdrawn", key_id,
                 _one(sorted(own)), {"institutions": sorted(own)})  # fmt: skip

    def _of(self, at: Connection, key_id: str, revision: int) -> frozenset[str]:
        """The institutions of a key; in memory, for a vendor may have thousands."""
        known = self._institutions.get((key_id, revision))
        if known is None:
            known = self._read(at, key_id)
            if len(self._institutions) >= _REMEMBERED:
                self._institutions.clear()
            self._institutions[key_id, revision] = known
        return known

    @staticmethod
    def _read(at: Connection, key_id: str) -> frozenset[str]:
        return frozenset(at.execute(_OF_KEY.where(KEY_INSTITUTIONS.c.key_id == key_id)).scalars())


def _told(row: AnyRow, institutions: frozenset[str]) -> ApiKey:
    return ApiKey(
        row.id, row.name, institutions, row.created_at, row.created_by, row.used_at,
        row.expires_at, row.revoked_at,
    )  # fmt: skip


def _one(institutions: Collection[str]) -> str | None:
    """Whose a row of the audit log is, where it is one institution's."""
    return next(iter(institutions)) if len(institutions) == 1 else None


def _may(who: Who) -> None:
    """People of a clinic and the operator manage keys; a key itself does not."""
    if who.role not in ("clinic", "operator"):
        raise NotAllowedError

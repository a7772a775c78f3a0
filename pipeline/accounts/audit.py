"""The audit log: append-only, each row with the hash of the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from pipeline.accounts.actions import is_action
from pipeline.accounts.audit_check import Head, Verified, walk
from pipeline.accounts.audit_row import NO_HASH, AuditRow, clean, clean_detail, row_hash
from pipeline.accounts.database import InDatabase
from pipeline.accounts.format import LOCK_AUDIT, lock
from pipeline.accounts.tables import AUDIT, moment_text

_COLUMNS: Final = tuple(AUDIT.c)
_LAST: Final = select(AUDIT.c.number, AUDIT.c.hash).order_by(AUDIT.c.number.desc()).limit(1)
_AT_ONCE: Final = 1000


class AuditLog(InDatabase):
    """What happened, in order; see ``actions`` for what is recorded."""

    def append(
        self, who: str, action: str, object: str, institution: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Append a row, durable when this returns.

        ``who`` is ``Who.id``, or ``-`` for nobody known; ``object`` is what was touched, like an
        upload id; ``institution`` whose it is; ``detail`` anything JSON can hold. People's ids
        in them are masked. Raises ``AccountsUnusableError``; ``ValueError`` for no action.
        """
        with self._database.writing() as at:
            note(at, self._database.clock(), who, action, object, institution, detail)

    def head(self) -> Head:
        """The last row's number and hash: keep it elsewhere, and a cut tail shows too."""
        with self._database.reading() as at:
            return Head(*_last(at))

    def verify(self, *heads: Head) -> Verified:
        """Recompute the chain from its first row, in bounded memory.

        ``heads`` are some that were printed earlier and must be found in it.
        """
        with self._rows_in_order() as rows:
            return walk(rows, heads)

    def rows(
        self, *, who: str | None = None, action: str | None = None, institution: str | None = None,
        object: str | None = None, first: datetime | None = None, last: datetime | None = None,
        before: int | None = None, limit: int = 100,
    ) -> list[AuditRow]:  # fmt: skip
        """Rows, the last first; ``first`` and ``last`` bound their moments, both inclusive.

        Texts are cleaned as those of rows are. ``before`` is the number of the last row of the
        page before.
        """
        asked = select(*_COLUMNS).order_by(AUDIT.c.number.desc()).limit(limit)
        for column, value in (
            (AUDIT.c.who, who), (AUDIT.c.action, action), (AUDIT.c.object, object),
            (AUDIT.c.institution, institution),
        ):  # fmt: skip
            if value is not None:
                asked = asked.where(column == clean(value))
        if first is not None:
            asked = asked.where(AUDIT.c.at >= moment_text(first))
        if last is not None:
            asked = asked.where(AUDIT.c.at <= moment_text(last))
        if before is not None:
            asked = asked.where(AUDIT.c.number < before)
        with self._database.reading() as at:
            return [AuditRow(*row) for row in at.execute(asked)]

    @contextmanager
    def _rows_in_order(self) -> Iterator[Iterator[AuditRow]]:
        with self._database.reading() as at:
            yield _pages(at)


def note(
    at: Connection, moment: datetime, who: str, action: str, object: str,
    institution: str | None = None, detail: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Append a row within a transaction, as the last thing in it: all others wait behind it."""
    if not is_action(action):
        raise ValueError(f"{action!r} is no name of an action")
    lock(at, LOCK_AUDIT)
    number, previous = _last(at)
    columns = (
        number + 1, moment_text(moment), clean(who, 80), action, clean(object),
        None if institution is None else clean(institution, 10), clean_detail(detail or {}),
        previous,
    )  # fmt: skip
    row = AuditRow(*columns, hash=row_hash(*columns))
    values = dict(zip((column.name for column in _COLUMNS), astuple(row), strict=True))
    at.execute(insert(AUDIT).values(values))


def _last(at: Connection) -> tuple[int, str]:
    found = at.execute(_LAST).one_or_none()
    return (0, NO_HASH) if found is None else (found.number, found.hash)


def _pages(at: Connection) -> Iterator[AuditRow]:
    """All rows by number, some at a time; rows appended meanwhile come last."""
    done: int | None = None
    while True:
        page = select(*_COLUMNS).order_by(AUDIT.c.number).limit(_AT_ONCE)
        rows = at.execute(page if done is None else page.where(AUDIT.c.number > done)).all()
        yield from (AuditRow(*row) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        done = rows[-1].number

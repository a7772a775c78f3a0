"""The format of the accounts' database: made new, brought up to date, or refused as newer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text, update

from pipeline.accounts.faults import AccountsUnusableError
from pipeline.accounts.tables import ABOUT, TABLES

FORMAT: Final = 1
LOCK_FORMAT: Final = 0x6E686901  # advisory locks of ours in PostgreSQL
LOCK_AUDIT: Final = 0x6E686902

# What brings a database of a format up to the next one.
STEPS: Final[dict[int, Callable[[Connection], None]]] = {}

_APPEND_ONLY: Final = {
    "sqlite": (
        """CREATE TRIGGER audit_stays_update BEFORE UPDATE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        """CREATE TRIGGER audit_stays_delete BEFORE DELETE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        """CREATE TRIGGER audit_appends BEFORE INSERT ON audit
           WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit)
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        """CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
           FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()""",
        """CREATE FUNCTION audit_appends() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN
             IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM audit) THEN
               RAISE EXCEPTION 'the audit log is append-only';
             END IF;
             RETURN NEW;
           END $$""",
        """CREATE TRIGGER audit_appends BEFORE INSERT ON audit
           FOR EACH ROW EXECUTE FUNCTION audit_appends()""",
    ),
}


def make_or_migrate(at: Connection) -> None:
    """Make the tables if there are none, or bring them up to this format, in one transaction.

    Raises ``AccountsUnusableError`` for a newer format.
    """
    lock(at, LOCK_FORMAT)
    if not inspect(at).has_table(ABOUT.name):
        TABLES.create_all(at)
        for statement in _APPEND_ONLY[at.dialect.name]:
            at.execute(text(statement))
        at.execute(insert(ABOUT).values(format=FORMAT))
        return
    found = at.execute(select(ABOUT.c.format)).scalar_one()
    if found > FORMAT:
        raise AccountsUnusableError(
            f"帳號資料庫是第 {found} 版格式，本程式使用第 {FORMAT} 版，請升級程式",
            f"The accounts' database is of format {found}; this program uses {FORMAT}: upgrade it",
        )
    for step in range(found, FORMAT):
        STEPS[step](at)
        at.execute(update(ABOUT).values(format=step + 1))


def lock(at: Connection, number: int) -> None:
    """One at a time until this transaction ends. In SQLite every writer already is alone."""
    if at.dialect.name == "postgresql":
        at.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

"""One database of accounts: how it is opened, read and written.

Every change is one short transaction that also appends to the audit log. SQLite writers take the
lock at once (``BEGIN IMMEDIATE``) and sync; PostgreSQL's meet at the rows they lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, Update, create_engine, event, make_url
from sqlalchemy.dialects.postgresql import Insert as InsertPostgresql
from sqlalchemy.dialects.sqlite import Insert as InsertSqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.accounts.faults import AccountsUnusableError, NoSuchAccountError
from pipeline.accounts.format import make_or_migrate

Clock = Callable[[], datetime]

_BUSY_SECONDS: Final = 15
_BUSY_MILLISECONDS_OF_A_TOUCH: Final = 100
_CONNECTIONS: Final = 16
_MORE_CONNECTIONS: Final = 48
_log = logging.getLogger(__name__)


class Database:
    """An engine, and the three ways it is used. ``clock`` gives aware moments."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.clock = clock
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writes = engine.execution_options(writes=True)
        self._touches = engine.execution_options(writes=True, unsynced=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement stands alone. Raises ``AccountsUnusableError``."""
        with _unusable(), self._reads.connect() as at:
            yield at

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction; durable when it ends. Raises ``AccountsUnusableError``."""
        with _unusable(), self._writes.begin() as at:
            yield at

    def touch(self, statement: Update) -> None:
        """Note a moment of last use: not synced, and never a reason to fail."""
        try:
            with self._touches.begin() as at:
                if at.dialect.name == "postgresql":
                    at.exec_driver_sql(f"SET LOCAL lock_timeout = {_BUSY_MILLISECONDS_OF_A_TOUCH}")
                at.execute(statement)
        except (OperationalError, PoolTimeoutError):
            _log.warning("a moment of last use could not be noted")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


class InDatabase:
    """Something that is kept in the database of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database


def open_database(url: str | URL, clock: Clock) -> Database:
    """The database at a URL of SQLAlchemy, made or brought up to this program's format.

    Raises ``AccountsUnusableError``.
    """
    where = _parsed(url)
    engine = _sqlite(where) if where.get_backend_name() == "sqlite" else _postgresql(where)
    try:
        with _unusable(), engine.execution_options(writes=True).begin() as at:
            make_or_migrate(at)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, clock)


def upsert(at: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or overwrite the one that has its primary key."""
    keys = table.primary_key.columns.keys()
    rest = {name: value for name, value in row.items() if name not in keys}
    at.execute(_insert(at, table).values(row).on_conflict_do_update(index_elements=keys, set_=rest))


def insert_missing(at: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one has its keys; whether it was inserted."""
    new = _insert(at, table).values(row).on_conflict_do_nothing()
    return at.execute(new.returning(*table.primary_key)).first() is not None


def _insert(at: Connection, table: Table) -> InsertSqlite | InsertPostgresql:
    return InsertSqlite(table) if at.dialect.name == "sqlite" else InsertPostgresql(table)


def _parsed(url: str | URL) -> URL:
    try:
        where = make_url(url)
        if where.get_dialect().name in ("sqlite", "postgresql"):
            return where
    except (ArgumentError, NoSuchModuleError, ImportError):
        pass
    raise AccountsUnusableError(
        "帳號資料庫的 URL 須以 sqlite:/// 或 postgresql+psycopg:// 開頭",
        "The URL of the accounts' database must begin with sqlite:/// or postgresql+psycopg://",
    ) from None


def _sqlite(where: URL) -> Engine:
    """A file that only its owner may read; the log beside it gets the same mode from SQLite."""
    if not where.database or where.database == ":memory:":
        raise AccountsUnusableError(
            "帳號資料庫須是檔案", "The accounts' database must be a file, not memory"
        )
    path = Path(where.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with suppress(PermissionError):  # what belongs to somebody else stays as they left it
            path.chmod(0o600)
    except OSError as error:
        raise AccountsUnusableError(
            f"無法開啟帳號資料庫 {path}（{error.strerror}）",
            f"The accounts' database {path} can't be opened ({error.strerror})",
        ) from error
    engine = create_engine(
        where, hide_parameters=True, pool_size=_CONNECTIONS, max_overflow=_MORE_CONNECTIONS,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )  # fmt: skip
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are ours to begin: see ``_begin``
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE fires triggers of DELETE too


def _begin(at: Connection) -> None:
    options = at.get_execution_options()
    if options.get("writes"):
        touch = options.get("unsynced")
        busy = _BUSY_MILLISECONDS_OF_A_TOUCH if touch else _BUSY_SECONDS * 1000
        at.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if touch else 'FULL'}")
        at.exec_driver_sql(f"PRAGMA busy_timeout = {busy}")
        at.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(where: URL) -> Engine:
    return create_engine(
        where.set(drivername="postgresql+psycopg"), hide_parameters=True, pool_pre_ping=True,
        pool_size=_CONNECTIONS, max_overflow=_MORE_CONNECTIONS,
        connect_args={
            "connect_timeout": _BUSY_SECONDS, "options": f"-c lock_timeout={_BUSY_SECONDS}s",
        },
    )  # fmt: skip


@contextmanager
def _unusable() -> Iterator[None]:
    """What the database can't do is told as that, without the statement that it could not."""
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise AccountsUnusableError(
            "帳號資料庫暫時無法使用，請稍後再試",
            "The accounts' database can't be used at present; try again later",
        ) from error
    except (DataError, UnicodeEncodeError) as error:  # like a NUL, which PostgreSQL can't hold
        raise NoSuchAccountError(
            "沒有這個項目", "There is nothing of that name, and there can't be"
        ) from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:  # a subclass tells of the statement, not of the file
            raise
        raise AccountsUnusableError(
            "帳號資料庫無法讀取，請由備份還原",
            "The accounts' database can't be read; restore it from a backup",
        ) from error

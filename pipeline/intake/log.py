"""EDGE: the intake log, ``STORE/intake.sqlite``: what came through the door, in order of receipt.

A row is durable before its ticket is given, and its bytes before that. The *mark* is the number up
to which every upload is in the tables, but for those that failed: what is above it is settled at
the next start. Rows stay as long as their Idempotency-Key is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Final

from pipeline.errors import StoreUnusableError
from pipeline.intake.taken import COLUMNS, NAMES, Taken, microseconds, moment_of, row_of, taken_of
from pipeline.store.failures import write_failures
from pipeline.store.files import sync_folder
from pipeline.store.layout import Layout

FORMAT: Final = 1
KEPT: Final = timedelta(days=190)
"""How long an Idempotency-Key is known."""
PRUNED_AT_ONCE: Final = 1_000
MOST_TRIES: Final = 5
"""Starts at which an upload that we fail on is tried again."""

_APPLICATION: Final = 0x4E484955  # "NHIU": the file is an intake log
_SCHEMA: Final = (
    f"CREATE TABLE upload ({', '.join(COLUMNS)})",
    "CREATE INDEX failures ON upload (number) WHERE failed",
    "CREATE TABLE mark (number INTEGER NOT NULL)",
    "INSERT INTO mark VALUES (0)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
# Of many rows the last ones: what failed and was put at the end came earlier.
_LAST_RECEIVED: Final = (
    "SELECT max(received_at) FROM (SELECT received_at FROM upload ORDER BY number DESC LIMIT 10000)"
)
_OLDEST: Final = (
    "SELECT number FROM (SELECT number, received_at FROM upload WHERE number <= ? AND NOT failed"
    " ORDER BY number LIMIT ?) WHERE received_at < ?"
)


def intake_path(layout: Layout) -> Path:
    """Where a store's intake log is."""
    return layout.root / "intake.sqlite"


class IntakeLog:
    """The log of one store. Whoever opens it holds the store; any thread may use it.

    Raises ``StoreUnusableError`` if it can't be read, ``StoreWriteError`` where writing fails: then
    nothing was written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        with write_failures():
            self._rows = _opened(path)
        self.last = max(self._number("SELECT max(number) FROM upload"), self.mark)
        """The highest number that was ever given."""
        self.last_received = moment_of(self._number(_LAST_RECEIVED))
        """The latest moment of receipt, 1970 if there is none."""

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._rows.close()

    @property
    def mark(self) -> int:
        """Up to here every upload is in the tables, but for those that failed."""
        return self._number("SELECT number FROM mark")

    def add(self, uploads: Sequence[Taken]) -> None:
        """Make uploads durable, all or none; their numbers follow ``last``."""
        places = ", ".join("?" * len(NAMES))
        with self._writing():
            self._rows.executemany(f"INSERT INTO upload VALUES ({places})", map(row_of, uploads))  # noqa: S608
        for one in uploads:
            self.last = max(self.last, one.number)
            self.last_received = max(self.last_received, one.received_at)

    def keyed(self, institution: str, key: str) -> Taken | None:
        """The upload that an institution sent with an Idempotency-Key."""
        return next(self._find("institution = ? AND idempotency_key = ?", institution, key), None)

    def find(self, upload_id: str) -> Taken | None:
        """An upload by its id."""
        return next(self._find("upload_id = ?", upload_id), None)

    def unsettled(self) -> list[Taken]:
        """What may not be in the tables yet, in order, but for what failed."""
        return list(self._find("number > ? AND NOT failed ORDER BY number", self.mark))

    def failed(self) -> list[Taken]:
        """Uploads that settling failed on, in order."""
        return list(self._find("failed ORDER BY number"))

    def mark_settled(self, number: int) -> None:
        """Every upload up to a number is in the tables, but for those that failed."""
        with self._writing():
            self._rows.execute("UPDATE mark SET number = max(number, ?)", (number,))

    def mark_failed(self, upload_ids: Iterable[str], *, failed: bool = True) -> None:
        """Settling failed on these, or not: they are not tried again before ``begin_tries``."""
        with self._writing():
            self._rows.executemany(
                "UPDATE upload SET failed = ? WHERE upload_id = ?",
                [(int(failed), one) for one in upload_ids],
            )

    def begin_tries(self) -> None:
        """A start: what failed is put at the end of the order, to be settled again.

        Not at its old place: what came after it has been told its outcome already. Nor more than
        ``MOST_TRIES`` times.
        """
        with self._writing():
            for one in self.failed():
                if one.tries < MOST_TRIES:
                    self.last += 1
                    self._rows.execute(
                        "UPDATE upload SET failed = 0, number = ? WHERE upload_id = ?",
                        (self.last, one.upload_id),
                    )
            self._rows.execute(
                "UPDATE upload SET tries = tries + 1 WHERE number > ? AND NOT failed", (self.mark,)
            )

    def prune(self, now: datetime) -> int:
        """Forget settled uploads whose Idempotency-Key need not be known any more, the oldest first
        and so many at a time that nobody waits for it; gives how many."""
        before = microseconds(now - KEPT)
        with self._lock:
            old = self._rows.execute(_OLDEST, (self.mark, PRUNED_AT_ONCE, before)).fetchall()
        if old:
            with self._writing():
                self._rows.executemany("DELETE FROM upload WHERE number = ?", old)
        return len(old)

    def _find(self, condition: str, *values: object) -> Iterator[Taken]:
        with self._lock:
            found = self._rows.execute(
                f"SELECT {', '.join(NAMES)} FROM upload WHERE {condition}",  # noqa: S608
                values,
            ).fetchall()
        return map(taken_of, found)

    def _number(self, question: str) -> int:
        with self._lock:
            return self._rows.execute(question).fetchone()[0] or 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with write_failures(), self._lock, self._rows:
            yield


def _opened(path: Path) -> sqlite3.Connection:
    """The file, made if there is none, and of this program's format."""
    new = not path.exists()
    rows = sqlite3.connect(path, check_same_thread=False)
    try:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = FULL")
        found = rows.execute("PRAGMA user_version").fetchone()[0]
        application = rows.execute("PRAGMA application_id").fetchone()[0]
        if found == 0 and application == 0:
            with rows:
                rows.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    rows.execute(statement)
            if new:
                sync_folder(path.parent)
        elif application != _APPLICATION or found > FORMAT:
            raise _unusable(path, "另一個版本", f"format {found}, this program knows {FORMAT}")
    except sqlite3.DatabaseError as error:
        rows.close()
        if isinstance(error, sqlite3.OperationalError):  # of the machine
            raise
        raise _unusable(path, str(error), str(error)) from error
    except BaseException:
        rows.close()
        raise
    return rows


def _unusable(path: Path, zh: str, en: str) -> StoreUnusableError:
    return StoreUnusableError(
        f"收件紀錄 {path} 無法使用（{zh}），請用較新的程式或由備份還原",
        f"The intake log {path} can't be used ({en}); use a newer program or restore a backup",
    )

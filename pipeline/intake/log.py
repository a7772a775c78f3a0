"""EDGE: the intake log, ``STORE/intake.sqlite``: what came through the door, in order of receipt.

A row is durable before its ticket is given, and its bytes before that. The *mark* is the number up
to which every upload is in the tables, but for those that failed: what is above it is settled at
the next start. Rows stay as long as their Idempotency-Key is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any, Final

from pipeline.errors import StoreUnusableError
from pipeline.intake.sender import Sender
from pipeline.outcome import Envelope, Refusal
from pipeline.store.layout import Layout, sync_folder

FORMAT: Final = 1
KEPT: Final = timedelta(days=190)
"""How long an Idempotency-Key is known."""

_APPLICATION: Final = 0x4E484955  # "NHIU": the file is an intake log
_COLUMNS: Final = (
    "number INTEGER PRIMARY KEY",
    "upload_id TEXT NOT NULL UNIQUE",
    "institution TEXT NOT NULL",
    "idempotency_key TEXT",
    "sha256 BLOB NOT NULL",
    "size INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "mode TEXT NOT NULL",
    "channel TEXT NOT NULL",
    "address TEXT",
    "sent_by TEXT NOT NULL",
    "received_at INTEGER NOT NULL",  # microseconds since 1970
    "refusal_code TEXT",
    "refusal_zh TEXT",
    "refusal_en TEXT",
    "plan TEXT NOT NULL",
    "failed INTEGER NOT NULL DEFAULT 0",
    "UNIQUE (institution, idempotency_key)",
)
_SCHEMA: Final = (
    f"CREATE TABLE upload ({', '.join(_COLUMNS)})",
    "CREATE TABLE mark (number INTEGER NOT NULL)",
    "INSERT INTO mark VALUES (0)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_NAMES: Final = tuple(c.split()[0] for c in _COLUMNS[:-1])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def intake_path(layout: Layout) -> Path:
    """Where a store's intake log is."""
    return layout.root / "intake.sqlite"


@dataclass(frozen=True)
class Taken:
    """An upload that was taken in. ``number`` is its place in the order of receipt.

    ``size`` is of the plain bytes, whose digest is ``sha256``; ``refusal`` says why there are none.
    ``plan`` is the hash of the plan (of 2.0) at the door, ``failed`` that settling failed on it.
    """

    number: int
    upload_id: str
    received_at: datetime
    sender: Sender
    sha256: bytes
    size: int
    plan: str
    key: str | None = None
    refusal: Refusal | None = None
    failed: bool = False

    @property
    def envelope(self) -> Envelope:
        """What is known of it besides its bytes."""
        return self.sender.envelope(self.received_at)


class IntakeLog:
    """The log of one store. Whoever opens it holds the store; any thread may use it.

    Raises ``StoreUnusableError`` if it can't be read, ``sqlite3.Error`` where writing fails: then
    nothing was written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._rows = _opened(path)
        self.last = max(self._number("SELECT max(number) FROM upload"), self.mark)
        """The highest number that was ever given."""
        self.last_received = _moment(self._number("SELECT max(received_at) FROM upload"))
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
        places = ", ".join("?" * len(_NAMES))
        with self._writing():
            self._rows.executemany(f"INSERT INTO upload VALUES ({places})", map(_row, uploads))  # noqa: S608
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
        return list(self._find("number > ? AND NOT failed", self.mark))

    def failed(self) -> list[Taken]:
        """Uploads that settling failed on, in order."""
        return list(self._find("failed"))

    def mark_settled(self, number: int) -> None:
        """Every upload up to a number is in the tables, but for those that failed."""
        with self._writing():
            self._rows.execute("UPDATE mark SET number = max(number, ?)", (number,))

    def mark_failed(self, upload_ids: Iterable[str]) -> None:
        """Settling failed on these: they are not tried again before ``put_back``."""
        with self._writing():
            self._rows.executemany(
                "UPDATE upload SET failed = 1 WHERE upload_id = ?", [(one,) for one in upload_ids]
            )

    def put_back(self) -> int:
        """Put what failed at the end of the order, to be settled again; gives how many.

        Not at its old place: what came after it has been told its outcome already.
        """
        failed = [one.upload_id for one in self.failed()]
        with self._writing():
            for upload_id in failed:
                self.last += 1
                self._rows.execute(
                    "UPDATE upload SET failed = 0, number = ? WHERE upload_id = ?",
                    (self.last, upload_id),
                )
        return len(failed)

    def prune(self, now: datetime) -> None:
        """Forget settled uploads whose Idempotency-Key need not be known any more."""
        with self._writing():
            self._rows.execute(
                "DELETE FROM upload WHERE received_at < ? AND NOT failed"
                " AND number <= (SELECT number FROM mark)",
                (_microseconds(now - KEPT),),
            )

    def _find(self, condition: str, *values: object) -> Iterator[Taken]:
        with self._lock:
            found = self._rows.execute(
                f"SELECT {', '.join(_NAMES)} FROM upload WHERE {condition} ORDER BY number",  # noqa: S608
                values,
            ).fetchall()
        return map(_taken, found)

    def _number(self, question: str) -> int:
        with self._lock:
            return self._rows.execute(question).fetchone()[0] or 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._rows:
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
        if isinstance(error, sqlite3.OperationalError):
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


def _row(one: Taken) -> tuple[object, ...]:
    """In the order of ``_NAMES``."""
    sender, refusal = one.sender, one.refusal
    told = (refusal.code, refusal.detail_zh, refusal.detail_en) if refusal else (None, None, None)
    return (
        one.number, one.upload_id, sender.institution, one.key, one.sha256, one.size, sender.name,
        sender.mode, sender.channel, sender.address, sender.by, _microseconds(one.received_at),
        *told, one.plan, int(one.failed),
    )  # fmt: skip


def _taken(row: tuple[Any, ...]) -> Taken:
    found = dict(zip(_NAMES, row, strict=True))
    code = found["refusal_code"]
    return Taken(
        number=found["number"],
        upload_id=found["upload_id"],
        received_at=_moment(found["received_at"]),
        sender=Sender(
            found["institution"], found["channel"], found["mode"], found["name"], found["address"],
            found["sent_by"],
        ),
        sha256=found["sha256"],
        size=found["size"],
        plan=found["plan"],
        key=found["idempotency_key"],
        refusal=Refusal(code, 0, 1, 1, found["refusal_zh"], found["refusal_en"]) if code else None,
        failed=bool(found["failed"]),
    )  # fmt: skip


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND

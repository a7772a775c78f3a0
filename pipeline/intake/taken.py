"""An upload that was taken in, and its row of the intake log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipeline.intake.sender import Sender
from pipeline.outcome import Envelope, Refusal

COLUMNS: Final = (
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
    "failed INTEGER NOT NULL",
    "tries INTEGER NOT NULL",
    "UNIQUE (institution, idempotency_key)",
)
NAMES: Final = tuple(c.split()[0] for c in COLUMNS[:-1])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Taken:
    """An upload that was taken in. ``number`` is its place in the order of receipt.

    ``size`` is of the plain bytes, whose digest is ``sha256``; ``refusal`` says why there are none.
    ``plan`` is the hash of the plan (of 2.0) at the door, ``failed`` that settling failed on it,
    ``tries`` how many starts found it unsettled.
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
    tries: int = 0

    @property
    def envelope(self) -> Envelope:
        """What is known of it besides its bytes."""
        return self.sender.envelope(self.received_at)


def row_of(one: Taken) -> tuple[object, ...]:
    """The values of ``NAMES``."""
    sender, refusal = one.sender, one.refusal
    told = (refusal.code, refusal.detail_zh, refusal.detail_en) if refusal else (None, None, None)
    return (
        one.number, one.upload_id, sender.institution, one.key, one.sha256, one.size, sender.name,
        sender.mode, sender.channel, sender.address, sender.by, microseconds(one.received_at),
        *told, one.plan, int(one.failed), one.tries,
    )  # fmt: skip


def taken_of(row: tuple[Any, ...]) -> Taken:
    """The upload of a row, as ``row_of`` gives it."""
    found = dict(zip(NAMES, row, strict=True))
    code = found["refusal_code"]
    return Taken(
        number=found["number"],
        upload_id=found["upload_id"],
        received_at=moment_of(found["received_at"]),
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
        tries=found["tries"],
    )  # fmt: skip


def microseconds(moment: datetime) -> int:
    """Since 1970: how the log writes moments."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(since: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _EPOCH + since * _MICROSECOND

"""One upload: what became of it, and until when its files can be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.accounts.who import Who
from pipeline.desk.errors import NotThereError
from pipeline.desk.service import Outcomes
from pipeline.desk.uploads import UNANSWERED, Uploads
from pipeline.report.answer import Answer
from pipeline.stored import Row, StoredUploads

Clock = Callable[[], datetime]


class Grants(Protocol):
    """Downloads that were asked for again: ``pipeline.accounts.grants``."""

    def reopen(
        self, upload_id: str, until: datetime, by: str, institution: str | None = None
    ) -> None:
        """Let an upload's files be downloaded until then."""

    def reopened_until(self, upload_id: str) -> datetime | None:
        """Until when, ``None`` if nobody asked."""


@dataclass(frozen=True)
class Receipt:
    """What became of an upload. ``row`` has the columns of ``uploads``.

    ``state`` is its status, ``waiting``, or ``failed`` where we failed on it and will try again;
    ``answer`` is ``None`` while there is none. Its files
    can be downloaded until ``ends_at``; ``ended``: that is over.
    """

    row: Row
    state: str
    answer: Answer | None
    ends_at: datetime
    ended: bool

    @property
    def upload_id(self) -> str:
        """The upload's id."""
        return str(self.row["upload_id"])

    @property
    def institution(self) -> str | None:
        """Who sent it, where that could be told."""
        institution: str | None = self.row["institution"]
        return institution


class Downloads:
    """Until when an upload's files can be had: some days from its receipt, and from each time its
    institution asks again."""

    def __init__(self, grants: Grants, days: int, clock: Clock) -> None:
        self._grants = grants
        self._for = timedelta(days=days)
        self._clock = clock

    def ends_at(self, row: Row) -> datetime:
        """When the downloads of an upload end, or ended."""
        end: datetime = row["received_at"] + self._for
        if end > self._clock():
            return end
        return max(end, self._grants.reopened_until(row["upload_id"]) or end)

    def ended(self, ends_at: datetime) -> bool:
        """Whether an end has come."""
        return ends_at <= self._clock()

    def reopen(self, row: Row, by: str) -> datetime:
        """Let them be downloaded for as long again; gives the new end."""
        until = self._clock() + self._for
        self._grants.reopen(row["upload_id"], until, by, row["institution"])
        return until


class Receipts:
    """Answers to uploads, from memory as long as they are there."""

    def __init__(
        self, uploads: Uploads, stored: StoredUploads, outcomes: Outcomes, downloads: Downloads
    ) -> None:
        self._uploads = uploads
        self._stored = stored
        self._outcomes = outcomes
        self._downloads = downloads

    def row(self, who: Who, upload_id: str) -> Row:
        """An upload's row. Raises ``NotThereError``."""
        row = self._uploads.row(upload_id)
        if row is None or not who.sees(row["institution"]):
            raise NotThereError
        return row

    def receipt(self, who: Who, upload_id: str) -> Receipt:
        """What became of an upload. Raises ``NotThereError``."""
        row = self.row(who, upload_id)
        ends_at = self._downloads.ends_at(row)
        answer = None if row["status"] in UNANSWERED else self._answer(who, row)
        return Receipt(row, row["status"], answer, ends_at, self._downloads.ended(ends_at))

    def reopen(self, who: Who, upload_id: str) -> datetime:
        """Let an upload's files be downloaded again; gives until when. Raises ``NotThereError``."""
        row = self.row(who, upload_id)
        if not who.owns(row["institution"]):
            raise NotThereError
        return self._downloads.reopen(row, who.id)

    def _answer(self, who: Who, row: Row) -> Answer:
        """The answer: what is in memory unless something was decided of the upload since."""
        if row["redelivery_of"]:
            return self._answer(who, self.row(who, row["redelivery_of"]))
        told = self._outcomes.answer(row["upload_id"])
        if told is not None and told.status == row["status"]:
            return told
        return self._stored.answer(row)

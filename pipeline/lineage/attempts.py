"""What was sent of a visit and not taken: rejected, held, dropped, or refused with its upload.

No table names the treatment id of a record that wasn't taken. Two ways lead to it: findings on M15
show it as their value, and the archived uploads of the institution that were not taken whole are
searched for it. What another institution sent is found by the first way only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.lineage.archived import Archived
from pipeline.lineage.rows import Rows, since
from pipeline.lineage.visit import Row, Searched, Span, Visit

MOST_UPLOADS: Final = 500  # that are searched unless told
_MODES: Final = {"held": "held", "dropped": "dropped", "refused": "refused"}


@dataclass(frozen=True)
class Attempt:
    """A record that wasn't taken. ``record`` is 0 where the whole upload was refused."""

    upload: Archived
    record: int
    place: Span

    @property
    def outcome(self) -> str:
        """What became of it."""
        return _MODES.get(self.upload.row["status"], "rejected")


class Attempts:
    """The records of a visit that were not taken."""

    def __init__(self, rows: Rows, visit: Visit, taken: Collection[tuple[str, int]]) -> None:
        self._rows = rows
        self._visit = visit
        self._seen = set(taken)

    def told(self) -> Iterator[Attempt]:
        """Those that findings on M15 show."""
        named = self._rows.told_of(self._visit, since(self._visit))
        uploads = self._rows.uploads(row["upload_id"] for row in named)
        for row in named:
            upload = uploads.get(row["upload_id"])
            if upload is not None and upload["mode"] == self._rows.mode:
                yield from self._in_upload(upload)

    def searched(
        self, institutions: Collection[str], most: int, *, guessed: bool
    ) -> tuple[list[Attempt], Searched]:
        """Those found by searching the archive, and how far that went."""
        if not institutions:
            return [], Searched((), 0, 0)
        known = tuple(sorted(institutions))
        uploads = self._rows.failed_uploads(known, since(self._visit))
        found = [attempt for row in uploads[:most] for attempt in self._in_upload(row)]
        return found, Searched(known, min(most, len(uploads)), len(uploads), guessed)

    def _in_upload(self, row: Row) -> Iterator[Attempt]:
        upload = self._rows.archived(row)
        if upload is None:
            return
        if row["status"] == "refused":
            yield from self._in_refused(upload)
            return
        for number in upload.records_of(self._visit):
            if self._is_new(row["upload_id"], number):
                yield Attempt(upload, number, upload.record(number))

    def _in_refused(self, upload: Archived) -> Iterator[Attempt]:
        """The first place that mentions the treatment id; special codes say nothing."""
        wanted = self._visit.treatment_id.encode()
        at = -1 if self._visit.special else upload.payload.find(wanted)
        if at >= 0 and self._is_new(upload.row["upload_id"], 0):
            yield Attempt(upload, 0, Span(at, len(wanted)))

    def _is_new(self, upload_id: str, record: int) -> bool:
        new = (upload_id, record) not in self._seen
        self._seen.add((upload_id, record))
        return new

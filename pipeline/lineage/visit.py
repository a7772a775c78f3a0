"""Which visit is traced, and what there is to say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np

from pipeline.merge.keys import Column, buckets_of, code_ids, month_text, months_of_keys
from pipeline.report.answer import Finding, Source

Row = Mapping[str, Any]
_MOMENT: Final = re.compile(r"[0-9]{13}")  # year of the Republic, month, day and time
_ROC_EPOCH: Final = 1911


@dataclass(frozen=True)
class Visit:
    """A visit by its treatment id (M15).

    A special code identifies nothing by itself: then also institution (M05), person (M03) and
    moment (M11, as sent) are known, together the visit key.
    """

    treatment_id: str
    institution: str | None = None
    person: str | None = None
    moment: str | None = None

    @property
    def special(self) -> bool:
        """Whether the treatment id is a special code."""
        return self._month is None

    @property
    def whole(self) -> bool:
        """Whether no other visit can be meant."""
        return not self.special or None not in (self.institution, self.person, self.moment)

    @property
    def key(self) -> str:
        """The visit key that tables know it by."""
        if not self.special:
            return self.treatment_id
        return "".join((self.treatment_id, *(part or "" for part in self._composite)))

    @property
    def issued_month(self) -> str | None:
        """Month of the moment in the treatment id, as ``prescriptions`` is partitioned."""
        return None if self._month is None else month_text(self._month)

    @property
    def day(self) -> date | None:
        """The day of the moment; ``None`` where it can't be read."""
        digits = self.moment or ""
        if not _MOMENT.fullmatch(digits):
            return None
        try:
            return date(int(digits[:3]) + _ROC_EPOCH, int(digits[3:5]), int(digits[5:7]))
        except ValueError:
            return None

    def bucket(self, buckets: int) -> int | None:
        """The person's bucket; ``None`` for special codes."""
        if self.special:
            return None
        return int(buckets_of(code_ids(self._column)[0], buckets)[0])

    def is_record(self, source: Source, record: int) -> bool:
        """Whether a record of an upload names this visit."""
        if source.value(record, None, "M15") != self.treatment_id:
            return False
        return not self.special or all(
            wanted is None or source.value(record, None, name) == wanted
            for name, wanted in zip(("M05", "M03", "M11"), self._composite, strict=True)
        )

    @property
    def _composite(self) -> tuple[str | None, str | None, str | None]:
        return self.institution, self.person, self.moment

    @property
    def _column(self) -> Column:
        text = np.frombuffer(self.treatment_id.encode() or b"\0", np.uint8)
        return Column(text, np.zeros(1, np.int32), np.array([len(text)], np.int32))

    @property
    def _month(self) -> int | None:
        key, normal = code_ids(self._column)
        return int(months_of_keys(key)[0]) if normal[0] else None


@dataclass(frozen=True)
class Span:
    """A place in an upload as received, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class Version:
    """One record that names the visit, and what became of it.

    ``outcome`` is the action of ``history`` for what was taken; else ``rejected``, ``held``,
    ``dropped``, or ``refused`` for an upload refused as a whole, whose record can't be told:
    ``record`` is then 0 and the place that of the treatment id. ``verdict`` is that of the
    record's findings. ``ended_by`` is the index of the version that replaced or deleted this one;
    ``month`` the visit month under which a ``put`` is stored.
    """

    upload: Row
    record: int
    outcome: str
    verdict: str | None
    place: Span
    xml: str
    findings: tuple[Finding, ...] = ()
    ended_by: int | None = None
    stands: bool = False
    month: str | None = None


@dataclass(frozen=True)
class Order:
    """An order of the version that stands: its row of ``orders`` and its place in the upload."""

    row: Row
    place: Span


@dataclass(frozen=True)
class Searched:
    """How far what was sent and not taken was looked for.

    ``looked_in`` of ``uploads`` uploads of these institutions that were rejected in part, refused,
    held or dropped since the visit's month. ``guessed``: the institution is that of other
    treatment ids that begin alike.
    """

    institutions: tuple[str, ...]
    looked_in: int
    uploads: int
    guessed: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing the institution sent was left out."""
        return bool(self.institutions) and self.looked_in == self.uploads


@dataclass(frozen=True)
class Trace:
    """All that a store knows of a visit. ``versions`` are in order of sequence and record.

    ``prescriptions`` are the rows of the ledger: of the prescription that the visit issued, and
    of the one that it dispenses. ``made_by`` gives the upload of each sequence in them.
    """

    visit: Visit
    mode: str
    versions: tuple[Version, ...]
    orders: tuple[Order, ...] = ()
    prescriptions: tuple[Row, ...] = ()
    made_by: Mapping[int, Row] = field(default_factory=dict)
    searched: Searched | None = None
    asked: tuple[str, int] | None = None

    @property
    def standing(self) -> Version | None:
        """The version that is live now."""
        return next((v for v in self.versions if v.stands), None)

"""Shapes of the longer answers: the comparison, a visit's history, an error code."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import ConfigDict, Field

from pipeline.web.api.shapes import Shape, Stands, UploadId, Words


class Tally(Shape):
    """A row of document 001's tables: 1.0 visits, and those matched by a pre-check."""

    v1: int
    matched: int
    percent: int | None = Field(description="rounded down, as the insurer shows it")
    ratio: float | None
    vpn: int
    web_api: int


class DayTally(Tally):
    """Of one day."""

    date: str = Field(description="ROC, as 1121016")


class TypeTally(Tally):
    """Of one visit type."""

    code: str
    name: str


class Differing(Shape):
    """1.0 visits without a pair, whose nearest pre-check differs in these keys."""

    keys: list[str]
    count: int


class Unmatched(Shape):
    """1.0 visits that no pre-check matches, and why."""

    count: int
    differs: list[Differing]


class CodeCount(Shape):
    """How often an error code was told."""

    code: str
    count: int
    meaning_zh: str
    meaning_en: str


class Promptness(Shape):
    """Article 10: records that came within 24 hours of the visit."""

    taken: int
    late: int
    late_emergencies: int
    ratio: float | None


class Comparison(Shape):
    """The 1.0-against-2.0 comparison of an institution's week."""

    institution: str
    as_of: date
    from_: date = Field(alias="from")
    to: date
    total: Tally
    by_date: list[DayTally]
    by_visit_type: list[TypeTally]
    qualified: bool = Field(description="達標 whether the share suffices")
    uploads: int
    unmatched: Unmatched
    top_findings: list[CodeCount]
    within_24_hours: Promptness


class _Place(Shape):
    byte_offset: int
    byte_length: int


class Named(Shape):
    """A version by its upload and record; ``record`` is null for what has none."""

    upload_id: UploadId
    record: int | None


class Ended(Named):
    """What ended a version, and how."""

    outcome: str


class VersionUpload(Shape):
    """The upload that brought a version."""

    upload_id: UploadId
    institution: str | None
    channel: str
    mode: str
    sequence: int
    status: str
    refusal_code: str | None
    sha256: str
    name: str
    received_at: datetime


class VersionFinding(Words, _Place):
    """A finding of a version."""

    order: int | None
    field: str
    code: str
    severity: str
    rule: str
    value: str | None
    stands: Stands | None


class Version(_Place):
    """One time that the visit was sent."""

    outcome: str = Field(description="put, delete, cancel, uncancel; rejected, held, refused …")
    verdict: str | None
    stands: bool
    ended_by: Ended | None
    record: int | None
    upload: VersionUpload
    findings: list[VersionFinding]


class HistoryOrder(_Place):
    """An order of the version that stands: its fields as sent, personal ones masked."""

    model_config = ConfigDict(extra="allow")

    order_no: int


class Refill(Shape):
    """A refill of the visit's prescription."""

    prescription_id: str | None
    kind: str
    refill: int
    status: Literal["open", "dispensed", "cancelled"]
    institution: str | None
    by_institution: str | None
    sequence: int
    by_treatment_id: str | None
    upload_id: UploadId | None


class Searched(Shape):
    """Where refused versions were looked for."""

    institutions: list[str]
    guessed: bool
    looked_in: int
    uploads: int
    complete: bool


class History(Shape):
    """Every version of a visit, the first first, and the one that stands."""

    treatment_id: str | None = Field(description="masked")
    mode: str
    asked: Named | None
    stands: Named | None
    versions: list[Version]
    orders: list[HistoryOrder]
    prescriptions: list[Refill]
    searched: Searched | None


class CodeRule(Words):
    """A rule that answers with the code."""

    rule: str
    field: str | None
    severity: Literal["refuse", "reject", "warn"]
    status: str
    certainty: str
    decided_by: str


class Code(Shape):
    """An error code: what it means, whether it is checked, and by which rules."""

    code: str
    field: str | None
    meaning_zh: str
    meaning_en: str
    state: Literal["checked", "planned", "merged", "outside"]
    reported_as: str | None
    rules: list[CodeRule]

"""What the insurer's people look up across institutions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

import polars as pl

from pipeline.accounts.who import Who
from pipeline.comparison.window import received_between
from pipeline.desk.errors import NotThereError
from pipeline.desk.uploads import HELD, UNANSWERED, Uploads
from pipeline.lineage.rows import Rows
from pipeline.lineage.visit import Visit
from pipeline.outcome import Mode
from pipeline.report.held_words import HeldUpload
from pipeline.store.kept import KeptTables
from pipeline.stored import Row
from pipeline.upload_ids import is_upload_id

Order = Literal["institution", "uploads", "rejected", "last", "held"]
DAYS: Final = 7
MOST_UPLOADS: Final = 100
MOST_INSTITUTIONS: Final = 100
LEAST_HASH: Final = 8
LEAST_CODE: Final = 3
_HASH: Final = re.compile(rf"[0-9a-f]{{{LEAST_HASH},64}}")
_CODE: Final = re.compile(rf"[0-9A-Z]{{{LEAST_CODE},10}}")
_TREATMENT_ID: Final = re.compile(r"[0-9A-Z]{20}")
_MODES: Final[tuple[Mode, ...]] = ("official", "precheck")
_SORTS: Final[dict[Order, tuple[str, bool]]] = {
    "institution": ("institution", False), "uploads": ("uploads", True),
    "rejected": ("rejected", True), "last": ("last_upload", True), "held": ("held", True),
}  # fmt: skip


@dataclass(frozen=True)
class Institution:
    """An institution and its uploads: of the last seven days how many, how many were refused as a
    whole, their records and those rejected; of all days the last one, those held and waiting."""

    institution: str
    uploads: int
    refused: int
    records: int
    records_rejected: int
    last_upload: datetime
    held: int
    waiting: int

    @property
    def rejected_share(self) -> float | None:
        """Share of the records that were rejected; ``None`` where there were none."""
        return self.records_rejected / self.records if self.records else None


@dataclass(frozen=True)
class Institutions:
    """Some of the ``total`` institutions that were asked for."""

    rows: tuple[Institution, ...]
    total: int


@dataclass(frozen=True)
class Found:
    """What a search found: uploads, the last received first, and institutions by code."""

    uploads: tuple[Row, ...] = ()
    institutions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Day:
    """What came in on a day (Taipei): uploads by status, institutions, records."""

    day: date
    statuses: dict[str, int]
    institutions: int
    records: int
    records_rejected: int

    @property
    def uploads(self) -> int:
        """How many uploads."""
        return sum(self.statuses.values())


def require_insurer(who: Who) -> None:
    """Raises ``NotThereError`` for anybody else: these questions don't exist for them."""
    if not who.of_insurer:
        raise NotThereError


class Overview:
    """Every institution's uploads. Each method raises ``NotThereError`` for who isn't of the
    insurer."""

    def __init__(self, tables: KeptTables, uploads: Uploads) -> None:
        self._tables = tables
        self._uploads = uploads

    def institutions(
        self, who: Who, query: str, today: date, *, order: Order, limit: int, offset: int
    ) -> Institutions:
        """Those whose code begins with ``query``."""
        require_insurer(who)
        code = query.strip().upper()
        chosen = pl.col("institution").str.starts_with(code) & pl.col("redelivery_of").is_null()
        start, _ = received_between(today - timedelta(DAYS - 1), today)
        lately = pl.col("received_at") >= start.astimezone(UTC)
        found = self._uploads.where(chosen).group_by("institution").agg(
            lately.sum().alias("uploads"),
            (lately & (pl.col("status") == "refused")).sum().alias("refused"),
            pl.col("records").filter(lately).sum(),
            pl.col("records_rejected").filter(lately).sum(),
            pl.col("received_at").max().alias("last_upload"),
            (pl.col("status") == HELD).sum().alias("held"),
            pl.col("status").is_in(list(UNANSWERED)).sum().alias("waiting"),
        )  # fmt: skip
        share = pl.col("records_rejected") / pl.col("records").replace(0, None)
        by, descending = _SORTS[order]
        rows = (
            found.with_columns(share.alias("rejected"))
            .sort([by, "institution"], descending=[descending, False], nulls_last=True)
            .collect(engine="streaming")
        )
        page = rows.slice(offset, limit).drop("rejected")
        return Institutions(tuple(Institution(**row) for row in page.to_dicts()), rows.height)

    def day(self, who: Who, day: date) -> Day:
        """What came in on a day."""
        require_insurer(who)
        columns = "status", "institution", "records", "records_rejected"
        rows = self._uploads.received(day, day, None).select(columns).collect()
        statuses = dict(rows["status"].value_counts(sort=True).iter_rows())
        return Day(
            day, statuses, rows["institution"].drop_nulls().n_unique(),
            int(rows["records"].sum()), int(rows["records_rejected"].sum()),
        )  # fmt: skip

    def search(self, who: Who, text: str) -> Found:
        """Uploads by upload id, by the beginning of their SHA-256, or by a treatment id in them;
        institutions by the beginning of their code."""
        require_insurer(who)
        text = text.strip()
        code, digest = text.upper(), text.lower()
        if is_upload_id(code):
            row = self._uploads.row(code)
            return Found((row,) if row else ())
        chosen = pl.lit(False)
        if _HASH.fullmatch(digest):
            chosen |= pl.col("sha256").str.starts_with(digest)
        if _TREATMENT_ID.fullmatch(code):
            chosen |= pl.col("upload_id").is_in(self._named(Visit(code)))
        last_first = self._uploads.where(chosen).sort("received_at", "upload_id", descending=True)
        found: list[Row] = last_first.head(MOST_UPLOADS).collect().to_dicts()
        return Found(tuple(found), self._beginning(code))

    def held(self, who: Who) -> list[HeldUpload]:
        """Uploads that wait for a decision, in order of receipt."""
        require_insurer(who)
        rows = Rows(self._tables.store_uri, "official", tables=self._tables)
        waiting = {row["upload_id"]: row for row in rows.held_uploads()}
        holds = {row["upload_id"]: row for row in rows.held(waiting)}
        return [
            HeldUpload(row, [holds[name]], {})
            for name, row in waiting.items()
            if self._uploads.is_held(name)
        ]

    def _beginning(self, code: str) -> tuple[str, ...]:
        if not _CODE.fullmatch(code):
            return ()
        found = self._uploads.where(pl.col("institution").str.starts_with(code))
        codes = found.select("institution").unique().collect(engine="streaming")["institution"]
        return tuple(codes.sort().head(MOST_INSTITUTIONS).to_list())

    def _named(self, visit: Visit) -> list[str]:
        """Uploads with a record that was taken under a treatment id, or has a finding on it."""
        found: set[str] = set()
        for mode in _MODES:
            rows = Rows(self._tables.store_uri, mode, tables=self._tables)
            found |= rows.upload_ids(visit)
        return sorted(found)

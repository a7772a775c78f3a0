"""The result list of an institution: the columns of document 001, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import date, datetime
from typing import Any, Final

import polars as pl
import pyarrow as pa

from pipeline.accounts.who import Who
from pipeline.comparison.results import FINDING_COUNTS, Promptness, counted, promptness, result_list
from pipeline.desk.errors import NotThereError
from pipeline.desk.receipts import Downloads
from pipeline.desk.service import Outcomes
from pipeline.desk.uploads import Uploads
from pipeline.outcome import Counts
from pipeline.store.kept import KeptTables
from pipeline.stored import Row
from pipeline.taipei import TAIPEI
from pipeline.upload_ids import is_upload_id

MOST_ROWS: Final = 500
COUNTS: Final = tuple(f.name for f in dataclass_fields(Counts))
_FAULTY: Final = ("records_warned", "records_rejected", "orders_rejected")
_FINDINGS: Final = pl.Schema(
    {**FINDING_COUNTS, "received_date": pl.Date, "institution": pl.String}
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """Uploads received on some days, the last first: one page of them.

    A row has the columns of ``uploads`` and ``number`` (from 1, the last received first),
    ``findings`` (how many), ``codes`` (the commonest, such as ``AA×3 D051×1``), ``ends_at`` and
    ``ended`` of its downloads. ``sums`` and ``total`` are of all pages; ``cursor`` asks for the
    next one, ``None`` behind the last. ``last_day`` is the last one (Taipei) with an upload that
    the filters leave, told where these days have none.
    """

    institution: str
    first: date
    last: date
    uploads: tuple[Row, ...]
    total: int
    sums: dict[str, int]
    cursor: str | None = None
    last_day: date | None = None
    promptness: Promptness = field(default_factory=Promptness)


@dataclass(frozen=True)
class Asked:
    """Which uploads: received from ``first`` to ``last`` (days of Taipei), of a mode and a status
    (``None``: any), ``limit`` of them behind a ``cursor``."""

    first: date
    last: date
    mode: str | None = None
    status: str | None = None
    limit: int = 50
    after: str | None = None


class ResultLists:
    """Result lists, from the tables and from memory."""

    def __init__(
        self, tables: KeptTables, uploads: Uploads, outcomes: Outcomes, downloads: Downloads
    ) -> None:
        self._tables = tables
        self._outcomes = outcomes
        self._uploads = uploads
        self._downloads = downloads

    def results(self, who: Who, institution: str, asked: Asked) -> Results:
        """A page. Raises ``NotThereError`` for an institution that they don't see, ``ValueError``
        for a cursor that none of these lists gave."""
        if not who.sees(institution):
            raise NotThereError
        rows = self._uploads.received(asked.first, asked.last, institution, asked.mode).collect()
        if asked.status is not None:
            rows = rows.filter(pl.col("status") == asked.status)
        rows = rows.sort("received_at", "upload_id", descending=True).with_row_index("number", 1)
        page = _behind(rows, asked.after).head(min(asked.limit, MOST_ROWS))
        found = self._found(institution, rows)
        more = page.height and page["number"][-1] < rows.height
        return Results(
            institution,
            asked.first,
            asked.last,
            tuple(self._row(row) for row in _listed(page, found)),
            rows.height,
            {name: int(rows[name].sum()) for name in COUNTS},
            _cursor(page.row(-1, named=True)) if more else None,
            None if rows.height else self._last_day(institution, asked),
            promptness(rows, found).get(institution, Promptness()),
        )

    def _found(self, institution: str, rows: pl.DataFrame) -> pl.DataFrame:
        """The findings on these uploads, counted."""
        days = rows["received_at"].dt.convert_time_zone(TAIPEI.key).dt.date().unique()
        scanned = self._tables.snapshot("findings").scan("findings", _FINDINGS)
        chosen = pl.col("received_date").is_in(days.to_list())
        chosen &= pl.col("institution") == institution
        stored = counted(scanned.filter(chosen)).collect()
        faulty = rows.filter(pl.sum_horizontal(_FAULTY) > 0)["upload_id"]
        missing = faulty.filter(~faulty.is_in(stored["upload_id"].unique().implode()))
        told = [self._outcomes.findings(upload_id) for upload_id in missing]
        of_memory = [counted(_frame(some).lazy()).collect() for some in told if some is not None]
        return pl.concat([stored, *of_memory])

    def _row(self, row: Row) -> Row:
        ends_at = self._downloads.ends_at(row)
        return {**row, "ends_at": ends_at, "ended": self._downloads.ended(ends_at)}

    def _last_day(self, institution: str, asked: Asked) -> date | None:
        chosen = pl.col("redelivery_of").is_null()
        if asked.mode is not None:
            chosen &= pl.col("mode") == asked.mode
        moments = self._uploads.where(chosen, institution).select("received_at")
        last: Any = moments.collect()["received_at"].max()
        return last.astimezone(TAIPEI).date() if isinstance(last, datetime) else None


def _frame(findings: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(findings.select(["upload_id", "code", "severity", "rule"]))


def _listed(page: pl.DataFrame, found: pl.DataFrame) -> list[Row]:
    """The rows with what was found in each, in the order of the page."""
    listed: list[Row] = result_list(page, found).sort("number").to_dicts()
    return listed


def _behind(rows: pl.DataFrame, cursor: str | None) -> pl.DataFrame:
    if cursor is None:
        return rows
    moment, _, upload_id = cursor.partition("~")
    if not (moment.isascii() and moment.isdigit() and is_upload_id(upload_id)):
        raise ValueError("no cursor of a result list")
    at = pl.col("received_at").dt.epoch("us")
    same = (at == int(moment)) & (pl.col("upload_id") < upload_id)
    return rows.filter((at < int(moment)) | same)


def _cursor(row: Row) -> str:
    at: datetime = row["received_at"]
    return f"{round(at.timestamp() * 1e6)}~{row['upload_id']}"

"""What became of uploads: the result list, the commonest findings, and who uploads in time.

``uploads`` has the columns of that table, redeliveries left out; ``found`` is findings counted:
upload_id, code, severity, rule, count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

LATE_RULES: Final = ("state/not-within-a-day", "state/emergency-not-within-an-hour")
"""Broken by a visit first uploaded after 24 hours, an emergency after one (document 000, 10)."""

FINDING_COUNTS: Final = {
    "upload_id": pl.String, "code": pl.String, "severity": pl.String, "rule": pl.String,
    "count": pl.Int64,
}  # fmt: skip
_TOLD_CODES: Final = 5


@dataclass(frozen=True)
class CodeCount:
    """How often findings of a code were made."""

    code: str
    count: int


@dataclass(frozen=True)
class Promptness:
    """Official 2.0 records that were taken, and how many of them came too late the first time.

    ``late``: visits after 24 hours; ``late_emergencies``: emergencies after one hour. Corrections
    have no such duty and count as in time. Of 1.0 records the pipeline does not judge that.
    """

    taken: int = 0
    late: int = 0
    late_emergencies: int = 0

    @property
    def ratio(self) -> float | None:
        """Share that came in time; ``None`` where nothing was taken."""
        in_time = self.taken - self.late - self.late_emergencies
        return in_time / self.taken if self.taken else None


def counted(findings: pl.LazyFrame) -> pl.LazyFrame:
    """Findings counted by upload, code, severity and rule."""
    keys = ("upload_id", "code", "severity", "rule")
    return findings.group_by(keys).agg(pl.len().cast(pl.Int64).alias("count"))


def result_list(uploads: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Uploads by institution, the last received first, with ``findings`` and ``codes``.

    ``codes`` tells the commonest ones, such as ``AA×3 D051×1``; empty for none.
    """
    by_code = found.group_by("upload_id", "code").agg(pl.col("count").sum())
    by_code = by_code.sort(["upload_id", "count", "code"], descending=[False, True, False])
    most = pl.col("count").head(_TOLD_CODES).cast(pl.String)
    told = pl.col("code").head(_TOLD_CODES) + "×" + most
    by_upload = by_code.group_by("upload_id", maintain_order=True).agg(
        pl.col("count").sum().alias("findings"), told.str.join(" ").alias("codes")
    )
    listed = uploads.join(by_upload, on="upload_id", how="left").with_columns(
        pl.col("findings").fill_null(0), pl.col("codes").fill_null("")
    )
    return listed.sort(
        ["institution", "received_at", "sequence"], descending=[False, True, True]
    )  # fmt: skip


def top_codes(
    uploads: pl.DataFrame, found: pl.DataFrame, most: int
) -> dict[str, tuple[CodeCount, ...]]:
    """The commonest codes of every institution's pre-checks, by institution; at most ``most``."""
    ranked = (
        _of_prechecks(uploads, found)
        .group_by("institution", "code")
        .agg(pl.col("count").sum())
        .sort(["institution", "count", "code"], descending=[False, True, False])
        .group_by("institution", maintain_order=True)
        .head(most)
    )
    out: dict[str, list[CodeCount]] = {}
    for name, code, count in ranked.iter_rows():
        out.setdefault(name, []).append(CodeCount(code, count))
    return {name: tuple(codes) for name, codes in out.items()}


def nation_codes(uploads: pl.DataFrame, found: pl.DataFrame, most: int) -> tuple[CodeCount, ...]:
    """The commonest codes of all pre-checks together."""
    summed = _of_prechecks(uploads, found).group_by("code").agg(pl.col("count").sum())
    rows = summed.sort(["count", "code"], descending=[True, False]).head(most).iter_rows()
    return tuple(CodeCount(code, count) for code, count in rows)


def promptness(uploads: pl.DataFrame, found: pl.DataFrame) -> dict[str, Promptness]:
    """How promptly every institution sent its official 2.0 records, by institution."""
    taken = uploads.filter((pl.col("mode") == "official") & (pl.col("version") == "2.0"))
    broken = [
        pl.col("count").filter(pl.col("rule") == rule).sum().alias(rule) for rule in LATE_RULES
    ]
    late = found.filter(pl.col("rule").is_in(LATE_RULES)).group_by("upload_id").agg(broken)
    rows = (
        taken.join(late, on="upload_id", how="left")
        .group_by("institution")
        .agg(pl.col("records_accepted").sum(), *(pl.col(rule).sum() for rule in LATE_RULES))
    )
    return {name: Promptness(*figures) for name, *figures in rows.iter_rows()}


def by_institution(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each institution, which stand together, without copying them."""
    at = 0
    names = rows["institution"].rle() if rows.height else ()
    for run in names:
        yield run["value"], rows.slice(at, run["len"])
        at += run["len"]


def _of_prechecks(uploads: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Counted findings of pre-checks, with their institution."""
    prechecks = uploads.filter(pl.col("mode") == "precheck").select("upload_id", "institution")
    return found.join(prechecks, on="upload_id", how="inner")

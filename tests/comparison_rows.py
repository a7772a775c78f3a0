"""Rows of 1.0 visits and of pre-checks, made for tests of the comparison, and its slow twin.

A row is (institution, key, sequence, record, day, id, birth, moment, type) and, of a pre-check,
whether it came by VPN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipeline.comparison.window import roc_date

KEYS = ("id", "birth", "moment", "type")


@dataclass(frozen=True)
class Row:
    institution: str
    visit_key: str
    sequence: int
    record: int
    visit_date: date
    id: str | None
    birth: str | None
    moment: str | None
    type: str | None
    vpn: bool = False

    @property
    def upload_id(self) -> str:
        return f"upload-{self.sequence}"

    def keys(self) -> tuple[str | None, ...]:
        return self.id, self.birth, self.moment, self.type


_SCHEMA = {
    "institution": pl.String, "visit_key": pl.String, "sequence": pl.Int64,
    "upload_id": pl.String, "record": pl.Int32, "visit_date": pl.Date,
    **dict.fromkeys(KEYS, pl.String), "vpn": pl.Boolean,
}  # fmt: skip


def frame(rows: Iterable[Row], *, v1: bool = False) -> pl.DataFrame:
    table = pl.DataFrame(
        [{name: getattr(row, name) for name in _SCHEMA} for row in rows], schema=_SCHEMA
    )
    return table.drop("vpn") if v1 else table


def visits(institution: str, day: date, type_: str, count: int, start: int = 0) -> list[Row]:
    """Distinct visits of one day and type; ``start`` keeps them apart from others."""
    return [
        Row(
            institution, f"{roc_date(day)}-{type_}-{start + n}", 1, n + 1, day,
            f"A{100_000_000 + start + n}", "0820101",
            f"{roc_date(day)}{(start + n) // 3600 % 24:02d}{(start + n) // 60 % 60:02d}"
            f"{(start + n) % 60:02d}", type_,
        )
        for n in range(count)
    ]  # fmt: skip


def last_rows(rows: Iterable[Row]) -> list[Row]:
    """The last received of every visit key."""
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (r.sequence, r.record)):
        kept[row.visit_key] = row
    return list(kept.values())


def slow_pairs(v1: Sequence[Row], prechecked: Sequence[Row]) -> list[tuple[Row, Row | None]]:
    """Each 1.0 visit and the last pre-check that agrees with it, looked for one by one."""
    out = []
    for one in last_rows(v1):
        agreeing = [
            other
            for other in last_rows(prechecked)
            if other.institution == one.institution
            and other.keys() == one.keys()
            and all(one.keys())
        ]
        agreeing.sort(key=lambda r: (r.sequence, r.record))
        out.append((one, agreeing[-1] if agreeing else None))
    return out


def slow_percent(matched: int, v1: int) -> int | None:
    """Halves up, by counting."""
    if not v1:
        return None
    percent = 0
    while (percent + 0.5) * v1 <= 100 * matched:
        percent += 1
    return percent


def seconds_of(row: Row) -> int:
    """A readable moment on a line of seconds."""
    moment = row.moment or ""
    clock = int(moment[7:9]) * 3600 + int(moment[9:11]) * 60 + int(moment[11:13])
    return (row.visit_date - date(1970, 1, 1)) // timedelta(1) * 86_400 + clock


_ORDER = (
    {"type"}, {"birth"}, {"moment"}, {"id"},
    {"birth", "type"}, {"moment", "type"}, {"birth", "moment"}, {"id", "type"},
)  # fmt: skip


def slow_nearest(one: Row, spare: Sequence[Row]) -> tuple[set[str], Row] | None:
    """What differs, and the candidate: by the order of likelihood, then time, then last received.

    ``spare`` are the pre-checks that agree with no 1.0 visit, the last of each four keys.
    """
    best: tuple[tuple[int, ...], set[str], Row] | None = None
    for other in spare:
        if other.institution != one.institution:
            continue
        agreeing = {k for k in KEYS if getattr(one, k) and getattr(one, k) == getattr(other, k)}
        differs = set(KEYS) - agreeing
        if differs not in _ORDER:
            continue
        near = (0, 0)
        if "moment" in differs:
            near = (abs(seconds_of(one) - seconds_of(other)), seconds_of(other))
        rank = (_ORDER.index(differs), *near, -other.sequence, -other.record)
        if best is None or rank < best[0]:
            best = rank, differs, other
    return None if best is None else best[1:]

"""Which 1.0 visits have a 2.0 pre-check that agrees on all four keys.

A pair agrees on the moment of the visit, so on its date: what is compared may be cut by visit date
and the results put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipeline.comparison.keys import KEYS, last_written

_WHO: Final = ("institution", *KEYS)
COUNTED: Final = ("v1", "matched", "vpn")


@dataclass(frozen=True)
class Paired:
    """``counts``: institution, visit_date, type, and of its 1.0 visits how many there are (``v1``),
    have a pre-check (``matched``), and have it by VPN (``vpn``).

    ``unmatched``: the 1.0 visits without one; ``spare``: the pre-checks without a 1.0 visit, the
    last of each four keys. Both have the columns they came with.
    """

    counts: pl.DataFrame
    unmatched: pl.DataFrame
    spare: pl.DataFrame


def pair(v1: pl.DataFrame, prechecked: pl.DataFrame) -> Paired:
    """Pair visits of any institutions, each with its own only.

    Both frames have ``keys.PLACE``, ``visit_date`` and the keys; ``prechecked`` has ``vpn`` (bool,
    how it was sent) too. A blank key agrees with nothing. Where several pre-checks agree, the last
    received says how it was sent.
    """
    v1, prechecked = last_written(v1), last_written(prechecked)
    way = (pl.col("sequence") * 2 + pl.col("vpn")).max().alias("way")
    sent = _whole(prechecked).group_by(_WHO).agg(way)
    joined = v1.lazy().join(sent, on=_WHO, how="left").collect(engine="streaming")
    counts = joined.lazy().group_by("institution", "visit_date", "type").agg(
        pl.len().cast(pl.Int64).alias("v1"),
        pl.col("way").count().cast(pl.Int64).alias("matched"),
        (pl.col("way") % 2).sum().cast(pl.Int64).alias("vpn"),
    )  # fmt: skip
    spare = prechecked.lazy().join(_whole(v1), on=_WHO, how="anti").collect(engine="streaming")
    spare = spare.sort("sequence", "record").unique(_WHO, keep="last", maintain_order=True)
    return Paired(
        counts.collect(engine="streaming"),
        joined.filter(pl.col("way").is_null()).drop("way"),
        spare,
    )


def _whole(visits: pl.DataFrame) -> pl.LazyFrame:
    """Visits with all four keys."""
    return visits.lazy().filter(pl.all_horizontal(pl.col(*KEYS).fill_null("") != ""))


def together(parts: Sequence[Paired]) -> Paired:
    """The results of several visit dates as one."""
    return Paired(
        pl.concat([p.counts for p in parts]),
        pl.concat([p.unmatched for p in parts]),
        pl.concat([p.spare for p in parts]),
    )

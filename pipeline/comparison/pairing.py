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
_WAY: Final = "way"
_WHOLE: Final = pl.all_horizontal(pl.col(*KEYS).fill_null("") != "")  # all four keys are there
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
    met = _met(v1, prechecked)
    without, alone = met.filter(pl.col(_WAY).is_null()), met.filter(pl.col("v1") == 0)
    spare = pl.concat([_among(prechecked, alone), prechecked.filter(~_WHOLE)])
    return Paired(
        _counts(met),
        _among(v1, without),
        spare.sort("sequence", "record").unique(_WHO, keep="last", maintain_order=True),
    )


def _met(v1: pl.DataFrame, prechecked: pl.DataFrame) -> pl.DataFrame:
    """One row for all visits of an institution with the same keys, in one pass over both formats.

    ``v1`` counts the 1.0 visits among them and ``visit_date`` is theirs; ``way`` is null where
    there is no pre-check, else odd if the last received came by VPN.
    """
    ours = v1.lazy().select(*_WHO, "visit_date", pl.lit(None, pl.Int64).alias(_WAY))
    sent = prechecked.lazy().filter(_WHOLE)
    no_date, way = pl.lit(None, pl.Date), pl.col("sequence") * 2 + pl.col("vpn")
    theirs = sent.select(*_WHO, no_date.alias("visit_date"), way.alias(_WAY))
    seen = pl.concat([ours, theirs]).group_by(_WHO)
    return seen.agg(
        pl.col("visit_date").max(),
        pl.col(_WAY).max(),
        pl.col(_WAY).null_count().cast(pl.Int64).alias("v1"),
    ).collect(engine="streaming")


def _counts(met: pl.DataFrame) -> pl.DataFrame:
    count, way = pl.col("v1"), pl.col(_WAY)
    return (
        met.lazy()
        .filter(count > 0)
        .group_by("institution", "visit_date", "type")
        .agg(
            count.sum(),
            count.filter(way.is_not_null()).sum().alias("matched"),
            count.filter(way % 2 == 1).sum().alias("vpn"),
        )
        .collect(engine="streaming")
    )


def _among(visits: pl.DataFrame, met: pl.DataFrame) -> pl.DataFrame:
    """The visits with the keys of some of ``_met``."""
    wanted = met.lazy().select(_WHO)
    return (
        visits.lazy()
        .join(wanted, on=_WHO, how="semi", nulls_equal=True)
        .collect(engine="streaming")
    )


def together(parts: Sequence[Paired]) -> Paired:
    """The results of several visit dates as one."""
    return Paired(
        pl.concat([p.counts for p in parts]),
        pl.concat([p.unmatched for p in parts]),
        pl.concat([p.spare for p in parts]),
    )

"""For a 1.0 visit without pre-check: the pre-check that most likely was meant, and what differs.

Candidates are the institution's own pre-checks that agree with no 1.0 visit. ``SHARED`` says in
what order they are taken: first those that agree on three keys, then on two of which one says who
or when. Where the moment differs the nearest in time is taken (of two equally near the earlier),
else the last received. A visit for which nothing is found was not sent, or its pre-check was
rejected.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from pipeline.comparison.keys import KEYS

SHARED: Final = (
    ("id", "birth", "moment"),
    ("id", "moment", "type"),
    ("id", "birth", "type"),
    ("birth", "moment", "type"),
    ("id", "moment"),
    ("id", "birth"),
    ("id", "type"),
    ("birth", "moment"),
)
"""Which keys agree, the likeliest mistake first."""

DIFFERS: Final = "differs"
FOUND: Final = ("id", "birth", "moment", "type", "visit_key", "upload_id", "record")
"""What is told of a candidate, each under ``found_`` and its name."""

_ROW, _AT, _FOUND_AT = "row", "at", "found_at"
_KEYS_OR_NULL: Final = [pl.col(key).replace("", None) for key in KEYS]  # blanks never agree
_DAY_SECONDS: Final = 86_400


def with_nearest(unmatched: pl.DataFrame, spare: pl.DataFrame) -> pl.DataFrame:
    """``unmatched`` in its order, with ``differs`` (names of keys, space between) and ``found_…``.

    Both are as ``Paired`` has them; where nothing is found the new columns are null.
    """
    asked = unmatched.with_row_index(_ROW).with_columns(_at(), *_KEYS_OR_NULL)
    candidates = spare.with_columns(_at().alias(_FOUND_AT), *_KEYS_OR_NULL).select(
        "institution", _FOUND_AT, "sequence", *(pl.col(c).alias(f"found_{c}") for c in FOUND)
    )
    left, found = asked, list[pl.DataFrame]()
    for shared in SHARED:
        if left.is_empty() or candidates.is_empty():
            break
        step = _nearest(left, candidates, shared)
        found.append(step)
        left = left.join(step.select(_ROW), on=_ROW, how="anti")
    nothing = pl.DataFrame(schema=_schema(candidates))
    answers = pl.concat([nothing, *found])
    return asked.join(answers, on=_ROW, how="left", maintain_order="left").drop(_ROW, _AT)


def _nearest(
    asked: pl.DataFrame, candidates: pl.DataFrame, shared: tuple[str, ...]
) -> pl.DataFrame:
    """Rows that have a candidate agreeing on ``shared`` and nothing else, and the best of those."""
    other = tuple(key for key in KEYS if key not in shared)
    theirs = [f"found_{key}" for key in shared]
    mine = ["institution", *shared]
    pairs = asked.select(_ROW, _AT, "institution", *KEYS)
    if "moment" in shared:
        last = candidates.sort("sequence", "found_record").unique(
            ["institution", *theirs], keep="last"
        )
        joined = pairs.join(last, left_on=mine, right_on=["institution", *theirs])
    else:
        joined = _nearest_in_time(pairs, candidates, mine, ["institution", *theirs])
    differs = pl.concat_str([_unless_equal(key) for key in other]).str.strip_chars_end()
    agreed = [pl.col(key).alias(f"found_{key}") for key in shared]
    return joined.with_columns(*agreed, differs.alias(DIFFERS)).select(*_schema(candidates))


def _nearest_in_time(
    pairs: pl.DataFrame, candidates: pl.DataFrame, mine: list[str], theirs: list[str]
) -> pl.DataFrame:
    """Of the candidates that agree the nearest before and the nearest after, the nearer of them."""
    last = candidates.drop_nulls(_FOUND_AT).sort("sequence", "found_record").unique(
        [*theirs, _FOUND_AT], keep="last"
    )  # fmt: skip
    left, right = pairs.drop_nulls(_AT).sort(_AT), last.sort(_FOUND_AT)
    both = [
        left.join_asof(
            right, left_on=_AT, right_on=_FOUND_AT, by_left=mine, by_right=theirs,
            strategy=strategy, coalesce=False, check_sortedness=False,
        )
        for strategy in ("backward", "forward")
    ]  # fmt: skip
    found = pl.concat(both).drop_nulls(_FOUND_AT)
    distance = (pl.col(_AT) - pl.col(_FOUND_AT)).abs()
    return found.sort(distance, _FOUND_AT).unique(_ROW, keep="first", maintain_order=True)


def _unless_equal(key: str) -> pl.Expr:
    """The key's name and a space, or nothing where the candidate has the same."""
    same = pl.col(key) == pl.col(f"found_{key}")
    return pl.when(same).then(pl.lit("")).otherwise(pl.lit(f"{key} "))


def _at() -> pl.Expr:
    """Seconds of the visit since 1970, Taipei clock; null where the moment can't be read."""
    clock = [pl.col("moment").str.slice(at, 2).cast(pl.Int64, strict=False) for at in (7, 9, 11)]
    seconds = clock[0] * 3_600 + clock[1] * 60 + clock[2]
    return (pl.col("visit_date").cast(pl.Int32).cast(pl.Int64) * _DAY_SECONDS + seconds).alias(_AT)


def _schema(candidates: pl.DataFrame) -> dict[str, pl.DataType | type[pl.DataType]]:
    told = {f"found_{name}": candidates.schema[f"found_{name}"] for name in FOUND}
    return {_ROW: pl.UInt32, DIFFERS: pl.String, **told}

"""What a check of a store looks at, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from pipeline.store.delta import DeltaTables, open_delta
from pipeline.store.layout import Layout

TOLD: Final = 20  # problems of a check that are told one by one
_AT_ONCE: Final = 8

Item = TypeVar("Item")


@dataclass(frozen=True)
class Found:
    """How much a check looked at, and what is wrong, in words."""

    looked_at: int
    problems: tuple[str, ...] = ()


class Stored:
    """A store's tables, for reading."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.tables = DeltaTables(layout)

    def scan(self, name: str) -> pl.LazyFrame:
        """The rows of a table, read in parts as they are asked for."""
        return pl.scan_delta(open_delta(self.layout.table_files(name)))


Look = Callable[[Stored], Found]


def collect(rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows, without holding all that they are made from."""
    return rows.collect(engine="streaming")


def count(rows: pl.LazyFrame) -> int:
    """How many rows."""
    return int(collect(rows.select(pl.len())).item())


def told(problems: Iterable[str]) -> tuple[str, ...]:
    """The first problems, and how many more there are."""
    found = list(problems)
    more = [f"… {len(found) - TOLD:,} more"] if len(found) > TOLD else []
    return (*found[:TOLD], *more)


def wrong_of_each(wrong: Callable[[Item], str | None], items: Iterable[Item]) -> list[str]:
    """What is wrong with each of some, if anything. Several are looked at at once, for object
    storage is far away."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [problem for problem in pool.map(wrong, items) if problem]


def rows_told(rows: pl.DataFrame, what: str, columns: Iterable[str]) -> tuple[str, ...]:
    """A problem a row: what, and where by these columns, none of which may tell of a patient."""
    return told(
        f"{what}: " + ", ".join(f"{name} {row[name]}" for name in columns)
        for row in rows.select(columns).iter_rows(named=True)
    )

"""Tables of a store for those who only read: no lock, a snapshot of each table, as lazy frames.

A table that the store does not have yet is empty. ``uploads`` is committed last, so a reader opens
it first: whatever upload it tells of, the other tables hold already.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import polars as pl
from deltalake import DeltaTable

from pipeline.errors import StoreUnusableError
from pipeline.store.delta import is_delta, open_delta
from pipeline.store.layout import layout_of, read_config

_FIRST: Final = ("uploads",)
_MOMENTS: Final = pl.Schema({"committed_at": pl.Datetime("us", "UTC")})

Opener = Callable[[str], DeltaTable | None]
"""Gives a table by its name, as it is now; ``None`` where the store does not have it yet."""


class Snapshot:
    """Tables of a store as they are when opened. Raises ``StoreUnusableError`` for no store."""

    def __init__(
        self, store_uri: str, names: tuple[str, ...], opener: Opener | None = None
    ) -> None:
        opener = opener or opener_of(store_uri)
        opened = {name: opener(name) for name in sorted(names, key=lambda n: n not in _FIRST)}
        self._tables = {name: table for name, table in opened.items() if table is not None}

    def scan(self, name: str, empty: pl.Schema) -> pl.LazyFrame:
        """The rows of a table, to be filtered and read in part; Delta's statistics skip files.

        ``empty`` says what columns are asked for: those of the result where there is no table.
        """
        table = self._tables.get(name)
        return pl.LazyFrame(schema=empty) if table is None else pl.scan_delta(table)


def last_commit(batches: Snapshot) -> datetime | None:
    """The moment of the last commit in the tables, ``None`` before the first."""
    moments = batches.scan("batches", _MOMENTS).select("committed_at").max()
    last: datetime | None = moments.collect().item()
    return last


def opener_of(store_uri: str) -> Opener:
    """Opens the tables of a store. Raises ``StoreUnusableError`` for no store."""
    layout = layout_of(store_uri)
    if read_config(layout) is None:
        raise StoreUnusableError(
            f"{layout.uri} 沒有資料庫，請確認 --store",
            f"There is no store at {layout.uri}; check --store",
        )

    def opened(name: str) -> DeltaTable | None:
        files = layout.table_files(name)
        return open_delta(files) if is_delta(files) else None

    return opened

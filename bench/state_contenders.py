"""Key-value stores that could hold the state, each with what it recommends for speed and safety.

All are given the same: sorted items to begin with, then batches of look-ups and of replacements
that must be durable when ``put`` returns. Blobs under blobs, in two maps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import duckdb
import lmdb
import pyarrow as pa
import rocksdict

Item = tuple[bytes, bytes]
MAPS = ("moments", "ledger")
CACHE_BYTES = 64 << 20


class Contender(Protocol):
    """One way to keep the state in a folder of its own."""

    def fill(self, name: str, chunks: Iterable[Sequence[Item]]) -> None:
        """Put sorted items into an empty map."""

    def find(self, name: str, keys: Sequence[bytes]) -> int:
        """How many of the keys are there; every value is fetched."""

    def put(self, items: dict[str, Sequence[Item]]) -> None:
        """Replace items of both maps in one durable step."""

    def close(self) -> None:
        """Let go of the files."""


class Lmdb:
    """B+ tree in a memory map, copied on write; commits are synced."""

    def __init__(self, folder: Path) -> None:
        self._env = lmdb.open(
            str(folder / "lmdb"), map_size=1 << 40, max_dbs=2, readahead=False, subdir=True
        )
        self._maps = {name: self._env.open_db(name.encode()) for name in MAPS}

    def fill(self, name: str, chunks: Iterable[Sequence[Item]]) -> None:
        for chunk in chunks:
            with self._env.begin(self._maps[name], write=True) as change:
                change.cursor().putmulti(chunk, append=True)

    def find(self, name: str, keys: Sequence[bytes]) -> int:
        with self._env.begin(self._maps[name]) as view:
            return len(view.cursor().getmulti(sorted(keys)))

    def put(self, items: dict[str, Sequence[Item]]) -> None:
        with self._env.begin(write=True) as change:
            for name, pairs in items.items():
                change.cursor(self._maps[name]).putmulti(sorted(pairs))

    def close(self) -> None:
        self._env.close()


class Sqlite:
    """Clustered B-tree with a write-ahead log, synced at every commit."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "state.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_BYTES >> 10}")
        for name in MAPS:
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID"
            )

    def fill(self, name: str, chunks: Iterable[Sequence[Item]]) -> None:
        for chunk in chunks:
            self.put({name: chunk})

    def find(self, name: str, keys: Sequence[bytes]) -> int:
        query = f"SELECT v FROM {name} WHERE k = ?"
        read = self._db.execute
        return sum(read(query, (key,)).fetchone() is not None for key in sorted(keys))

    def put(self, items: dict[str, Sequence[Item]]) -> None:
        self._db.execute("BEGIN")
        for name, pairs in items.items():
            self._db.executemany(f"INSERT OR REPLACE INTO {name} VALUES (?, ?)", pairs)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


class RocksDb:
    """Log-structured merge tree with its own log, synced at every batch."""

    def __init__(self, folder: Path) -> None:
        options = rocksdict.Options(raw_mode=True)
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_bloom_filter(10, block_based=False)
        blocks.set_block_cache(rocksdict.Cache(CACHE_BYTES))
        options.set_block_based_table_factory(blocks)
        self._maps = {name: rocksdict.Rdict(str(folder / name), options) for name in MAPS}
        synced = rocksdict.WriteOptions()
        synced.sync = True
        for name in MAPS:
            self._maps[name].set_write_options(synced)

    def fill(self, name: str, chunks: Iterable[Sequence[Item]]) -> None:
        for chunk in chunks:
            self._write(name, chunk)
        self._maps[name].flush()

    def find(self, name: str, keys: Sequence[bytes]) -> int:
        found: Any = self._maps[name][sorted(keys)]
        return sum(value is not None for value in found)

    def put(self, items: dict[str, Sequence[Item]]) -> None:
        for name, pairs in items.items():
            self._write(name, pairs)

    def close(self) -> None:
        for rows in self._maps.values():
            rows.close()

    def _write(self, name: str, pairs: Sequence[Item]) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in pairs:
            batch.put(key, value)
        self._maps[name].write(batch)


class DuckDb:
    """Columns with the smallest and largest key of each row group, and no index."""

    def __init__(self, folder: Path) -> None:
        self._db = duckdb.connect(str(folder / "state.duckdb"))
        self._db.execute("SET memory_limit = '2GB'; SET threads = 1")
        for name in MAPS:
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {name} (k BLOB, v BLOB)")

    def fill(self, name: str, chunks: Iterable[Sequence[Item]]) -> None:
        for chunk in chunks:
            self._add(name, chunk)
        self._db.execute("CHECKPOINT")

    def find(self, name: str, keys: Sequence[bytes]) -> int:
        self._db.register("wanted", pa.table({"k": pa.array(keys, pa.binary())}))
        return len(
            self._db.sql(f"SELECT v FROM {name} SEMI JOIN wanted USING (k)").to_arrow_table()
        )

    def put(self, items: dict[str, Sequence[Item]]) -> None:
        self._db.execute("BEGIN")
        for name, pairs in items.items():
            keys = pa.table({"k": pa.array([key for key, _ in pairs], pa.binary())})
            self._db.register("wanted", keys)
            self._db.execute(f"DELETE FROM {name} USING wanted WHERE {name}.k = wanted.k")
            self._add(name, pairs)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def _add(self, name: str, pairs: Sequence[Item]) -> None:
        columns = [pa.array(column, pa.binary()) for column in zip(*pairs, strict=True)]
        self._db.register("given", pa.table(columns, ["k", "v"]))
        self._db.execute(f"INSERT INTO {name} SELECT k, v FROM given")


CONTENDERS: dict[str, type[Contender]] = {
    "LMDB": Lmdb,
    "SQLite": Sqlite,
    "RocksDB": RocksDb,
    "DuckDB": DuckDb,
}

"""The current tables, ``visits`` and ``orders``: which rows lie where, and what a commit changes.

Rows that became live together in one partition are a *segment*. It lies in memory until a commit
writes it, then in one file of each table under the same name. A version that is no longer live is
dropped from its segment; a commit rewrites just the files that hold such rows, once, however many
corrections came in between. Small files that are rewritten anyway are joined with the new rows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int32
from pipeline.keys import code_visit_keys, months
from pipeline.results import CurrentRows
from pipeline.state import State
from pipeline.store.datafiles import DataFile, read_data_file, write_data_file
from pipeline.store.delta import DeltaTables, TableCommit, file_schema
from pipeline.store.layout import Layout
from pipeline.store.pairs import Pair, Partition, committed_pairs

JOINED_ROWS: Final = 20_000  # a file of fewer rows is joined with the new ones when touched

Rows = tuple[pa.Table, pa.Table]  # of visits and orders


@dataclass
class Segment:
    """Rows of one partition: ``rows`` in memory, or ``pair`` of files.

    ``dropped`` holds the visit keys whose rows are no longer live.
    """

    partition: Partition
    rows: Rows | None = None
    pair: Pair | None = None
    dropped: list[pa.Array] = field(default_factory=list)


class SegmentedTables:
    """The current tables of one mode."""

    def __init__(self, layout: Layout, tables: DeltaTables, names: list[str], state: State) -> None:
        self._names = (names[0], names[1])
        self._folders = (layout.table(self._names[0]), layout.table(self._names[1]))
        self._no_orders = file_schema(self._names[1]).empty_table()
        self._state = state
        self._segments: list[Segment] = []
        self._home: list[int] = []  # of each segment, the one its rows now lie in
        self._unsaved: list[int] = []
        self._touched: set[int] = set()
        self._unloaded: dict[int, list[Pair]] = defaultdict(list)
        for pair in committed_pairs(tables, *self._names):
            self._unloaded[pair.partition[1]].append(pair)

    def load(self, buckets: set[int]) -> None:
        """Let the state know the live versions of some buckets, if it does not yet."""
        for bucket in sorted(buckets & self._unloaded.keys()):
            for pair in self._unloaded.pop(bucket):
                self._load(pair, self._add(Segment(pair.partition, pair=pair)))

    def add(self, rows: CurrentRows) -> int:
        """Take in new live versions; gives their segment."""
        number = self._add(
            Segment((rows.visit_month, rows.bucket), rows=(rows.visits, rows.orders))
        )
        self._unsaved.append(number)
        return number

    def drop(self, segments: Int32, keys: pa.StringArray) -> None:
        """Versions that are no longer live: the segment and visit key of each."""
        homes = np.array(self._home, np.int32)[segments]
        order = np.argsort(homes, kind="stable")
        edges = [*np.flatnonzero(np.diff(homes[order], prepend=-1)).tolist(), len(order)]
        for start, stop in pairwise(edges):
            number = int(homes[order[start]])
            self._segments[number].dropped.append(keys.take(pa.array(order[start:stop])))
            if self._segments[number].pair:
                self._touched.add(number)

    def write(self, batch: int) -> list[TableCommit]:
        """Write the data files of a commit; gives what it does to ``orders``, then ``visits``."""
        commits: tuple[list[DataFile], list[DataFile]] = ([], [])
        removals: tuple[list[DataFile], list[DataFile]] = ([], [])
        moved: dict[int, int] = {}
        for count, numbers in enumerate(self._groups()):
            pair = self._write(f"{batch:08d}-{count:04d}", numbers)
            old = [p for n in numbers if (p := self._segments[n].pair)]
            for table in (0, 1):
                commits[table].extend(f for p in [pair] if p and (f := p.files[table]))
                removals[table].extend(f for p in old if (f := p.files[table]))
            new = self._add(Segment(self._segments[numbers[0]].partition, pair=pair))
            moved.update(dict.fromkeys(numbers, new))
        self._move(moved)
        self._unsaved, self._touched = [], set()
        return [
            TableCommit(self._names[table], tuple(commits[table]), tuple(removals[table]))
            for table in (1, 0)
        ]

    def _groups(self) -> list[list[int]]:
        """Segments to be written, those that become one file together."""
        joined: dict[Partition, list[int]] = defaultdict(list)
        alone: list[list[int]] = []
        for number in [*sorted(self._touched), *self._unsaved]:
            segment = self._segments[number]
            if segment.pair and segment.pair.visits.rows > JOINED_ROWS:
                alone.append([number])
            else:
                joined[segment.partition].append(number)
        return [*joined.values(), *alone]

    def _write(self, stem: str, numbers: list[int]) -> Pair | None:
        """Write what is live of some segments of one partition; ``None`` if nothing is."""
        parts = [self._live(self._segments[n]) for n in numbers]
        visits = pa.concat_tables([part[0] for part in parts])
        orders = pa.concat_tables([part[1] for part in parts])
        month, bucket = self._segments[numbers[0]].partition
        partition = {"visit_month": month, "bucket": str(bucket)}
        if not len(visits):
            return None
        return Pair(
            (month, bucket),
            write_data_file(self._folders[0], stem, visits, partition),
            write_data_file(self._folders[1], stem, orders, partition) if len(orders) else None,
        )

    def _live(self, segment: Segment) -> Rows:
        rows = segment.rows or self._read(segment.pair)
        if not segment.dropped:
            return rows
        gone = pa.concat_arrays(segment.dropped)
        return (_without(rows[0], gone), _without(rows[1], gone))

    def _read(self, pair: Pair | None) -> Rows:
        if pair is None:
            return file_schema(self._names[0]).empty_table(), self._no_orders
        visits = read_data_file(self._folders[0], pair.visits.path, file_schema(self._names[0]))
        if pair.orders:
            schema = self._no_orders.schema
            return visits, read_data_file(self._folders[1], pair.orders.path, schema)
        return visits, self._no_orders

    def _move(self, moved: dict[int, int]) -> None:
        """Let everything that lay in some segments lie in others, and forget their rows."""
        self._home = [moved.get(home, home) for home in self._home]
        for number in moved:
            self._segments[number] = Segment(self._segments[number].partition)

    def _add(self, segment: Segment) -> int:
        self._segments.append(segment)
        self._home.append(len(self._home))
        return len(self._home) - 1

    def _load(self, pair: Pair, segment: int) -> None:
        schema = file_schema(self._names[0])
        columns = pa.schema([schema.field(n) for n in ("visit_key", "institution", "visit_date")])
        rows = read_data_file(self._folders[0], pair.visits.path, columns)
        code = self._state.institution_code
        names = rows["institution"].combine_chunks().dictionary_encode()
        codes = np.array([code(name.as_py()) for name in names.dictionary], np.int32)
        days = rows["visit_date"].cast(pa.int32())
        month = months(pc.fill_null(days, -(2**31)).to_numpy().astype(np.int32))
        self._state.load(
            code_visit_keys(rows["visit_key"].combine_chunks()),
            codes[names.indices.to_numpy()],
            month,
            segment,
        )


def _without(rows: pa.Table, gone: pa.Array) -> pa.Table:
    """Rows whose visit key is not among ``gone``."""
    return rows.filter(pc.invert(pc.is_in(rows["visit_key"], value_set=gone)))

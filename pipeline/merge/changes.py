"""PURE: what a merge does to the current tables, partition by partition.

A group of current tables (``visits`` with ``orders``; ``prescriptions``) shares its partitions and
its key column. A version of a key is named by its partition, key and sequence.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from pipeline.columns import Int64

Partition = tuple[str, int]
"""Month as YYYY-MM (``0000-00`` where there is none), bucket of the person."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Parted(Generic[K]):
    """Rows for each table of a group, without the columns of its partitions, part after part.

    ``where``: the rows of each part in each of the tables.
    """

    tables: tuple[pa.Table, ...]
    where: Mapping[K, tuple[slice, ...]]

    @classmethod
    def of(cls, part: K, tables: tuple[pa.Table, ...]) -> Parted[K]:
        """Rows of one part."""
        return cls(tables, {part: tuple(slice(0, len(table)) for table in tables)})

    def at(self, part: K) -> tuple[pa.Table, ...]:
        """The rows of a part."""
        spans = zip(self.tables, self.where[part], strict=True)
        return tuple(table.slice(span.start, span.stop - span.start) for table, span in spans)

    def besides(self, part: K) -> Parted[K]:
        """All but the rows of a part."""
        return Parted(self.tables, {key: at for key, at in self.where.items() if key != part})


NewRows = Parted[Partition]
"""New versions, by partition."""


@dataclass(frozen=True)
class GoneRows:
    """Versions of one partition that are no longer live: a key and a sequence each, in parallel.

    A key may come more than once, with each sequence that its rows may have.
    """

    partition: Partition
    keys: pa.StringArray
    sequences: Int64


@dataclass(frozen=True)
class Changes:
    """What happens to one group: first ``gone`` is taken away, then ``new`` added."""

    gone: tuple[GoneRows, ...] = ()
    new: tuple[NewRows, ...] = ()

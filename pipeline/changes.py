"""PURE: what a merge does to the current tables, partition by partition.

A group of current tables (``visits`` with ``orders``; ``prescriptions``) shares its partitions and
its key column. A version of a key is named by its partition, key and sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from pipeline.columns import Int64

Partition = tuple[str, int]
"""Month as YYYY-MM (``0000-00`` where there is none), bucket of the person."""


@dataclass(frozen=True)
class NewRows:
    """New versions in one partition: the rows for each table of the group, without its columns."""

    partition: Partition
    tables: tuple[pa.Table, ...]


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

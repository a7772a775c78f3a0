"""Rows that are only ever added to a table: their files, and the row that tells of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.datafiles import DataFile, write_data_file
from pipeline.store.delta import ALL_TABLES, DeltaTables, TableCommit, file_schema, table_of
from pipeline.store.layout import Layout


def append(layout: Layout, name: str, batch: int, rows: pa.Table) -> TableCommit:
    """Write files for new rows of a table, one a partition."""
    folder, files = layout.table_files(name), list[DataFile]()
    partition_by = table_of(name).partition_by
    for count, (partition, part) in enumerate(_partitions(rows, partition_by)):
        plain = part.select(file_schema(name).names).cast(file_schema(name))
        files.append(write_data_file(folder, f"{batch:08d}-{count:04d}", plain, partition))
    return TableCommit(name, tuple(files))


def batch_row(
    tables: DeltaTables, batch: int, sequences: tuple[int, int], changed: Sequence[str]
) -> pa.Table:
    """Which versions belong together once a batch is in every table it changes.

    ``sequences`` are the first and last of its uploads; of none, the next and the last there is.
    """
    row = {
        "batch": batch,
        "sequence_from": sequences[0],
        "sequence_to": sequences[1],
        "committed_at": datetime.now(UTC),
        "versions": [(name, tables.version(name) + (name in changed)) for name in ALL_TABLES],
    }
    return pa.Table.from_pylist([row], schema=table_of("batches").schema)


def _partitions(
    rows: pa.Table, partition_by: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows by the value of their partition column; all of them where there is none."""
    if not partition_by:
        yield {}, rows
        return
    (name,) = partition_by
    for value in pc.unique(rows[name]):
        yield {name: str(value.as_py())}, rows.filter(pc.equal(rows[name], value))

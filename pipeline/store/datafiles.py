"""Parquet files of the tables: written with statistics, made durable, read back by column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StoreUnusableError
from pipeline.store.files import Files, now_ms

BOUNDED: Final = frozenset({"upload_id", "sequence", "visit_date", "sha256", "batch"})
"""Columns whose smallest and largest value Delta is told, so that readers can skip files."""

ANY_SEQUENCE: Final = (1 << 63) - 1


@dataclass(frozen=True)
class DataFile:
    """A data file of a table: ``path`` within it, ``size`` in bytes, Delta's statistics as JSON.

    ``modified`` is in milliseconds since 1970; ``low`` and ``high`` bound the sequences of its
    rows, as far as that is known.
    """

    path: str
    size: int
    rows: int
    partition: dict[str, str]
    stats: str
    modified: int
    low: int = 0
    high: int = ANY_SEQUENCE


def write_data_file(table: Files, stem: str, rows: pa.Table, partition: dict[str, str]) -> DataFile:
    """Write rows (without partition columns) as one file and make its bytes durable.

    Measured on visits and orders: dictionaries cost a third more time and make files no smaller
    than zstd does alone, and statistics are only worth having where Delta is told them too. Arrow
    would give a Python file hundreds of small pieces, each of which every other thread waits for.
    """
    folder = "/".join(f"{name}={value}" for name, value in partition.items())
    path = f"{folder}/{stem}.parquet" if folder else f"{stem}.parquet"
    bounded = [name for name in rows.column_names if name in BOUNDED]
    whole = pa.BufferOutputStream()
    pq.write_table(
        rows, whole, compression="zstd", compression_level=1, use_dictionary=False,
        write_statistics=bounded,
    )  # fmt: skip
    data = whole.getvalue()
    with table.writing(path) as file:
        file.write(data)
    low, high = _sequences(rows)
    return DataFile(path, data.size, len(rows), partition, _stats(rows), now_ms(), low, high)


def read_data_file(table: Files, path: str, schema: pa.Schema) -> pa.Table:
    """These columns of a data file; those that are younger than the file are null.

    Raises ``StoreUnusableError`` where the file is damaged or lost.
    """
    try:
        with table.open(path) as file:
            parquet = pq.ParquetFile(file)
            there = set(parquet.schema_arrow.names)
            rows = parquet.read(columns=[name for name in schema.names if name in there])
    except (FileNotFoundError, pa.ArrowException) as error:
        raise StoreUnusableError(
            f"{table.uri} 的檔案 {path} 遺失或毀損，請由備份還原，再執行 nhi-upload store verify",
            f"{path} of {table.uri} is lost or damaged; restore it from a backup, "
            "then run nhi-upload store verify",
        ) from error
    columns = [
        rows[field.name].cast(field.type)
        if field.name in there
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _sequences(rows: pa.Table) -> tuple[int, int]:
    if "sequence" not in rows.column_names or not len(rows):
        return 0, ANY_SEQUENCE
    found = pc.min_max(rows["sequence"]).as_py()
    return found["min"], found["max"]


def _stats(rows: pa.Table) -> str:
    bounds = {name: pc.min_max(rows[name]).as_py() for name in rows.column_names if name in BOUNDED}
    known = {name: found for name, found in bounds.items() if found["min"] is not None}
    return json.dumps(
        {
            "numRecords": len(rows),
            "minValues": {name: _plain(found["min"]) for name, found in known.items()},
            "maxValues": {name: _plain(found["max"]) for name, found in known.items()},
            "nullCount": {name: rows[name].null_count for name in bounds},
        }
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value

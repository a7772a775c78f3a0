"""The journal, and the files that the tables consist of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store.datafiles import DataFile
from pipeline.store.delta import ALL_TABLES
from pipeline.store.verify.check import Found, Stored, told


def journal(stored: Stored) -> Found:
    """Nothing is left half done."""
    left = sorted(path.name for path in stored.layout.journal.glob("*"))
    problems = (f"{name}: a run was cut short; the next one completes it" for name in left)
    return Found(len(left), told(problems))


def data_files(stored: Stored) -> Found:
    """Every file of every table is there, of its size, with as many rows as the log says."""
    looked_at, problems = 0, list[str]()
    for name in ALL_TABLES:
        if not stored.tables.exists(name):
            problems.append(f"{name}: the table is missing")
            continue
        files = stored.tables.files(name)
        looked_at += len(files)
        problems += _wrong(name, stored.layout.table(name), files)
    return Found(looked_at, told(problems))


def _wrong(name: str, folder: Path, files: list[DataFile]) -> Iterator[str]:
    for file in files:
        path = folder / file.path
        if not path.exists():
            yield f"{name}/{file.path}: missing"
            continue
        if (size := path.stat().st_size) != file.size:
            yield f"{name}/{file.path}: {size:,} bytes, the log says {file.size:,}"
            continue
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            yield f"{name}/{file.path}: can't be read ({error})"
            continue
        if rows != file.rows:
            yield f"{name}/{file.path}: {rows:,} rows, the log says {file.rows:,}"

"""The journal, and the files that the tables consist of."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store.datafiles import DataFile
from pipeline.store.delta import ALL_TABLES
from pipeline.store.files import Files
from pipeline.store.verify.check import Found, Stored, told, wrong_of_each


def journal(stored: Stored) -> Found:
    """Nothing is left half done."""
    left = stored.layout.files.at("journal").names()
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
        problems += [
            f"{name}/{problem}"
            for problem in wrong_of_each(partial(_wrong, stored.layout.table_files(name)), files)
        ]
    return Found(looked_at, told(problems))


def _wrong(folder: Files, file: DataFile) -> str | None:
    """What is wrong with a file, if anything."""
    try:
        if (size := folder.size(file.path)) != file.size:
            return f"{file.path}: {size:,} bytes, the log says {file.size:,}"
        with folder.open(file.path) as data:
            rows = pq.read_metadata(data).num_rows
    except FileNotFoundError:
        return f"{file.path}: missing"
    except (OSError, pa.ArrowException) as error:
        return f"{file.path}: can't be read ({error})"
    return None if rows == file.rows else f"{file.path}: {rows:,} rows, the log says {file.rows:,}"

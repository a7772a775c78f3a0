"""Reference tables of a store: every version ever loaded, and which are in force.

reference/NAME/VERSION.parquet   a table, never changed
reference/snapshot.json          the version in force by name
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreUnusableError
from pipeline.reference.columns import schema_of, table_from, version_of
from pipeline.reference.read_csv import read_csv
from pipeline.references import References
from pipeline.store.files import Files
from pipeline.store.layout import Layout
from schemas.reference import REFERENCE_TABLES

_SNAPSHOT: Final = "snapshot.json"


@dataclass(frozen=True)
class Loaded:
    """A table in force: its version and how many rows it has."""

    name: str
    version: str
    rows: int


def load_file(layout: Layout, name: str, file: Path) -> Loaded:
    """Put a table's CSV in force. The store must be locked; a crash leaves the table before.

    Raises ``ReferenceFileError``, and ``KeyError`` for a name that is no table.
    """
    rows = read_csv(REFERENCE_TABLES[name], file.read_bytes(), str(file))
    version = version_of(rows)
    files, path = _files(layout), _path(name, version)
    files.at(name).make()
    if not files.has(path):
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        files.write(path, buffer.getvalue())
        files.sync_names()
    in_force = snapshot(layout) | {name: version}
    files.write(_SNAPSHOT, json.dumps(in_force, indent=1).encode())
    return Loaded(name, version, rows.num_rows)


def snapshot(layout: Layout) -> dict[str, str]:
    """The version in force of each table; empty where none was loaded."""
    files = _files(layout)
    try:
        found = json.loads(files.read(_SNAPSHOT))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(files, _SNAPSHOT) from error
    return {str(name): str(version) for name, version in found.items()}


def loaded(layout: Layout) -> list[Loaded]:
    """The tables in force."""
    return [
        Loaded(name, version, _count(_files(layout), _path(name, version)))
        for name, version in sorted(snapshot(layout).items())
    ]


def read_snapshot(layout: Layout, versions: Mapping[str, str] | None = None) -> References:
    """The tables in force, or those of a snapshot of before. Raises ``StoreUnusableError``."""
    tables, files = {}, _files(layout)
    for name, version in (snapshot(layout) if versions is None else versions).items():
        declared = REFERENCE_TABLES.get(name)
        path = _path(name, version)
        try:
            with files.open(path) as file:
                rows = pq.read_table(file)
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(files, path) from error
        if declared is None or rows.schema.names != schema_of(declared).names:
            raise StoreUnusableError(
                f"參考表 {name} 是另一版程式載入的，請重新載入",
                f"The reference table {name} was loaded by another version; load it again",
            )
        tables[name] = table_from(declared, rows, version)
    return References(tables)


def _count(files: Files, path: str) -> int:
    with files.open(path) as file:
        return int(pq.read_metadata(file).num_rows)


def _files(layout: Layout) -> Files:
    return layout.files.at("reference")


def _path(name: str, version: str) -> str:
    return f"{name}/{version}.parquet"


def _damaged(files: Files, name: str) -> StoreUnusableError:
    path = f"{files.uri}/{name}"
    return StoreUnusableError(
        f"參考表 {path} 毀損，請重新載入", f"The reference table {path} is damaged; load it again"
    )

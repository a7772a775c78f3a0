"""What lies in a table's ``_delta_log``: made durable, and cleared of what a power failure tore.

delta-rs syncs nothing. A commit and a checkpoint are made durable here before the journal forgets
their batch, so whatever is torn can be dropped: the journal brings it again.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store.layout import sync_folder


def sync_commit(table: Path, version: int) -> None:
    """Make a version of a table durable."""
    _sync(_log(table) / f"{version:020d}.json")
    sync_folder(_log(table))


def sync_checkpoint(table: Path, version: int) -> None:
    """Make a checkpoint of a table and what points at it durable."""
    for path in (*_log(table).glob(f"{version:020d}.checkpoint*.parquet"), _pointer(table)):
        _sync(path)
    sync_folder(_log(table))


def checkpointed(table: Path) -> int | None:
    """The version of the last checkpoint that was completed, ``None`` if there is none."""
    try:
        return int(orjson.loads(_pointer(table).read_bytes())["version"])
    except FileNotFoundError:
        return None


def drop_checkpoint(table: Path, version: int) -> None:
    """Remove a checkpoint that nothing points at yet; the commits it sums up are all there."""
    for path in _log(table).glob(f"{version:020d}.checkpoint*.parquet"):
        path.unlink()


def drop_torn(table: Path) -> None:
    """Remove a last commit or checkpoint that a power failure left in part, and what delta-rs
    had not yet given its name (``….json#1``) when the process was killed.

    An older commit is never looked at: it was durable before the next was begun.
    """
    log = _log(table)
    names = sorted(os.listdir(log)) if log.is_dir() else []
    torn = [log / name for name in names if "#" in name]
    names = [name for name in names if "#" not in name]
    last = max((name for name in names if name.endswith(".json")), default=None)
    if last and not _is_whole_commit(log / last):
        torn.append(log / last)
    checkpoint = max((name for name in names if ".checkpoint" in name), default=None)
    if checkpoint and not _is_whole_parquet(log / checkpoint):
        torn += [log / checkpoint, _pointer(table)]
    if _pointer(table).exists() and not _is_whole_commit(_pointer(table)):
        torn.append(_pointer(table))
    for path in torn:
        path.unlink(missing_ok=True)
    if torn:
        sync_folder(log)


def _log(table: Path) -> Path:
    return table / "_delta_log"


def _pointer(table: Path) -> Path:
    return _log(table) / "_last_checkpoint"


def _is_whole_commit(path: Path) -> bool:
    lines = path.read_bytes().splitlines()
    try:
        return bool([orjson.loads(line) for line in lines])
    except orjson.JSONDecodeError:
        return False


def _is_whole_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

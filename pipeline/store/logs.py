"""What lies in a table's ``_delta_log``: made durable, and cleared of what a power failure tore.

delta-rs syncs nothing. A commit and a checkpoint are made durable here before the journal forgets
their batch, so whatever is torn can be dropped: the journal brings it again.
"""

from __future__ import annotations

from typing import Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store.files import Files

_POINTER: Final = "_last_checkpoint"


def has_version(table: Files, version: int) -> bool:
    """Whether a table has come to a version."""
    return _log(table).has(_commit(version))


def sync_commit(table: Files, version: int) -> None:
    """Make a version of a table durable."""
    log = _log(table)
    log.sync(_commit(version))
    log.sync_names()


def sync_checkpoint(table: Files, version: int) -> None:
    """Make a checkpoint of a table and what points at it durable."""
    log = _log(table)
    if log.may_be_torn:
        for name in (*_checkpoint(log, version), _POINTER):
            log.sync(name)
        log.sync_names()


def checkpointed(table: Files) -> int | None:
    """The version of the last checkpoint that was completed, ``None`` if there is none."""
    try:
        return int(orjson.loads(_log(table).read(_POINTER))["version"])
    except FileNotFoundError:
        return None


def drop_checkpoint(table: Files, version: int) -> None:
    """Remove a checkpoint that nothing points at yet; the commits it sums up are all there."""
    log = _log(table)
    for name in _checkpoint(log, version):
        log.remove(name)


def drop_torn(table: Files) -> None:
    """Remove a last commit or checkpoint that a power failure left in part, and what delta-rs
    had not yet given its name (``….json#1``) when the process was killed.

    An older commit is never looked at: it was durable before the next was begun.
    """
    log = _log(table)
    if not log.may_be_torn:
        return
    names = log.names()
    torn = [name for name in names if "#" in name]
    names = [name for name in names if "#" not in name]
    last = max((name for name in names if name.endswith(".json")), default=None)
    if last and not _is_whole_commit(log, last):
        torn.append(last)
    checkpoint = max((name for name in names if ".checkpoint" in name), default=None)
    if checkpoint and not _is_whole_parquet(log, checkpoint):
        torn += [checkpoint, _POINTER]
    if log.has(_POINTER) and not _is_whole_commit(log, _POINTER):
        torn.append(_POINTER)
    for name in torn:
        log.remove(name)
    if torn:
        log.sync_names()


def _log(table: Files) -> Files:
    return table.at("_delta_log")


def _commit(version: int) -> str:
    return f"{version:020d}.json"


def _checkpoint(log: Files, version: int) -> list[str]:
    """The files of a checkpoint."""
    return [name for name in log.names() if name.startswith(f"{version:020d}.checkpoint")]


def _is_whole_commit(log: Files, name: str) -> bool:
    lines = log.read(name).splitlines()
    try:
        return bool([orjson.loads(line) for line in lines])
    except orjson.JSONDecodeError:
        return False


def _is_whole_parquet(log: Files, name: str) -> bool:
    try:
        with log.open(name) as file:
            pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    return True

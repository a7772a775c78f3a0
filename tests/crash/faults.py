"""The fault layer ``faults.c`` from Python: compiled, armed, and its record read."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")
MISSING = (
    "the fault layer is for Linux"
    if sys.platform != "linux"
    else "there is no C compiler (cc) to build the fault layer with"
    if shutil.which("cc") is None
    else None
)


class Deed(IntEnum):
    """What is done to a change: as ``enum deed`` of the C source."""

    NONE = 0
    KILL_BEFORE = 1
    KILL_AFTER = 2
    TEAR = 3  # half of a write is made, then the process is killed
    FAIL_FROM = 4
    FAIL_ONCE = 5
    SHORTEN = 6  # half of a write is made, and told
    STOP_BEFORE = 7  # the process is stopped, until somebody lets it go on


@dataclass(frozen=True)
class Fault:
    """What happens to change number ``at`` (from 1); ``error`` is an errno."""

    at: int = 0
    deed: Deed = Deed.NONE
    error: int = 0


class Kind(IntEnum):
    """Kinds of changes: as ``enum kind`` of the C source."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    RENAME = 4
    LINK = 5
    UNLINK = 6
    MKDIR = 7
    RMDIR = 8
    SYNC = 9
    MAP = 10
    SYNC_ALL = 11


@dataclass(frozen=True)
class Change:
    """One change that was made. ``node`` is the inode; ``other`` a rename's or link's target.

    ``offset`` is where ``data`` was written, or the size that a file was cut to. ``synced`` says
    that a write was durable at once.
    """

    kind: Kind
    path: str
    other: str
    node: int
    offset: int
    data: bytes
    synced: bool


_ENTRY = struct.Struct("<BBHHIqq")


def build(folder: Path) -> Path:
    """Compile the layer; gives the library to preload."""
    library = folder / "faults.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library),
         str(SOURCE), "-ldl", "-pthread"],
        check=True, capture_output=True,
    )  # fmt: skip
    return library


def arm(library: Path, roots: list[str], fault: Fault, record_to: int | None) -> None:
    """Watch changes below ``roots`` in this process, which has the library preloaded."""
    layer = ctypes.CDLL(str(library))
    if record_to is not None:
        layer.faults_record(record_to)
    layer.faults_arm(ctypes.c_long(fault.at), fault.deed, fault.error)
    for root in roots:
        if layer.faults_watch(root.encode()):
            raise ValueError(f"can't watch {root}")


def seen(library: Path) -> int:
    """How many changes were seen in this process."""
    layer = ctypes.CDLL(str(library))
    layer.faults_seen.restype = ctypes.c_long
    return int(layer.faults_seen())


def read_record(path: Path) -> Iterator[Change]:
    """The changes of a record, in the order in which they were made."""
    raw, at = path.read_bytes(), 0
    while at < len(raw):
        kind, synced, *sizes, node, offset = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size
        parts = []
        for size in sizes:
            parts.append(raw[at : at + size])
            at += size
        name, other, data = parts
        yield Change(Kind(kind), name.decode(), other.decode(), node, offset, data, bool(synced))

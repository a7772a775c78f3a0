"""Edge: files and folders → uploads, in name order, one at a time.

Takes ``.xml``, ``.xml.gz`` and ``.zip`` (each entry is one upload). A file named outright is taken
whatever its name. Whatever can't be read is one refused upload; other files in a folder are passed
over. Links that lead out of the folder and things that are no files are never opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from pipeline.ingest.unpack import Payload, read_gzip, read_plain, read_zip, refused
from pipeline.limits import LIMITS, Limits

SUFFIXES: Final = (".xml", ".xml.gz", ".zip")


class SourceMissingError(FileNotFoundError):
    """A source named on the command line is not there: wrong usage, not a refusal."""


@dataclass(frozen=True)
class SourceFile:
    """A file to read: ``name`` relative to its source (what a redelivery is known by)."""

    path: Path
    name: str
    root: Path | None


def find_files(sources: Sequence[str | Path]) -> Iterator[SourceFile]:
    """The files of all sources, folders in name order, depth first.

    Raises ``SourceMissingError`` for a source that does not exist, before anything is given.
    """
    paths = [Path(source) for source in sources]
    for path in paths:
        if not os.path.lexists(path):
            raise SourceMissingError(f"找不到來源 {path}\nThere is no source {path}")
    for path in paths:
        if path.is_dir():
            yield from _walk(path)
        else:
            yield SourceFile(path, _shown(path.name), None)


def read_uploads(file: SourceFile, limits: Limits = LIMITS) -> Iterator[Payload]:
    """The uploads of one file; a file that can't be read is one refused upload."""
    try:
        handle = _open_regular(file)
    except OSError as error:
        yield _unreadable(file.name, error)
        return
    with os.fdopen(handle, "rb") as opened:
        lower = file.name.lower()
        if lower.endswith(".zip"):
            yield from read_zip(opened, file.name, limits)
        elif lower.endswith(".gz"):
            yield read_gzip(opened, file.name, limits)
        else:
            yield read_plain(opened, file.name, limits)


def _walk(root: Path) -> Iterator[SourceFile]:
    """Depth first without recursion, so no depth of folders is too much."""
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            is_folder = path.is_dir() and (path == root or not path.is_symlink())
            names = sorted(os.listdir(path), reverse=True) if is_folder else []
        except OSError:  # not ours to read, too deep, or gone: told as one refusal
            yield SourceFile(path, _relative(path, root), root)
            continue
        if is_folder:
            waiting += [path / name for name in names]
        elif path.name.lower().endswith(SUFFIXES):
            yield SourceFile(path, _relative(path, root), root)


def _relative(path: Path, root: Path) -> str:
    return _shown(path.relative_to(root).as_posix())


def _shown(name: str) -> str:
    """A file name as text that can be stored: bytes that are no UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open_regular(file: SourceFile) -> int:
    """Open a file for reading if it is one. Raises ``OSError``; never waits for a pipe."""
    path = os.path.realpath(file.path)
    if file.root is not None and not Path(path).is_relative_to(os.path.realpath(file.root)):
        raise PermissionError("leads out of the folder")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("is not a file")
    return handle


def _unreadable(name: str, error: OSError) -> Payload:
    reason = error.strerror or str(error)
    digest = sha256(f"{name}\0{reason}".encode()).digest()
    return refused(name, digest, "Z003", f"檔案無法讀取（{reason}）", f"can't be read: {reason}")

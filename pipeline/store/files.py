"""The files of a store, wherever they lie: what a store asks of a disk or of object storage.

Whoever writes a store knows a folder by ``Files`` only. What is written is there whole or not at
all, after any crash, and ``create`` is won by one of several: that is all a store rests on.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import pyarrow.fs as fs

_PARTIAL: Final = ".part"


class Files(Protocol):
    """A folder of a store. Names are within it, with slashes. What fails raises ``OSError``."""

    @property
    def uri(self) -> str:
        """The folder as people and Delta know it."""

    @property
    def delta_options(self) -> Mapping[str, str] | None:
        """What Delta is told about the storage."""

    @property
    def may_be_torn(self) -> bool:
        """Whether what others write here (Delta's log) may be there in part after a crash."""

    @property
    def fails_for_sure(self) -> bool:
        """Whether what failed won't happen later after all, as a request given up may."""

    def at(self, name: str) -> Files:
        """A folder in it."""

    def make(self) -> None:
        """Have the folder."""

    def read(self, name: str) -> bytes:
        """A file. Raises ``FileNotFoundError``."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to be read in part. Raises ``FileNotFoundError``."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file durably, in the place of the one there was."""

    def create(self, name: str, data: bytes) -> None:
        """Write a file durably. Raises ``FileExistsError`` if there is one."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file to be written; its bytes are durable at the end, its name by ``sync_names``.

        Raises ``FileExistsError`` where only another attempt can have made one.
        """

    def has(self, name: str) -> bool:
        """Whether there is a file."""

    def size(self, name: str) -> int:
        """Of a file, in bytes. Raises ``FileNotFoundError``."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one; ``sync_names`` makes that durable."""

    def names(self) -> list[str]:
        """The files in the folder, not below, in order; none if there is no folder."""

    def all_names(self) -> Iterable[str]:
        """The files in the folder and below, in any order."""

    def drop_partial(self) -> None:
        """Remove what a crash left of files that were being written."""

    def sync(self, name: str) -> None:
        """Make durable what others wrote to a file."""

    def sync_names(self, names: Iterable[str] = ()) -> None:
        """Make durable which files there are: in the folder, and where these are, below."""

    def filesystem(self) -> fs.FileSystem:
        """The folder as Arrow knows it, to read from."""


@dataclass(frozen=True)
class LocalFiles:
    """A folder of this machine."""

    path: Path

    delta_options: Mapping[str, str] | None = None
    may_be_torn: bool = True
    fails_for_sure: bool = True

    @property
    def uri(self) -> str:
        return str(self.path)

    def at(self, name: str) -> Files:
        return LocalFiles(self.path / name)

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return (self.path / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        write_durably(self.path / name, data)

    def create(self, name: str, data: bytes) -> None:
        path = self.path / name
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PARTIAL}")
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        with suppress(FileNotFoundError), os.scandir(self.path) as found:
            return sorted(entry.name for entry in found if entry.is_file())
        return []

    def all_names(self) -> Iterable[str]:
        for folder, _, names in os.walk(self.path):
            for name in names:
                yield (Path(folder) / name).relative_to(self.path).as_posix()

    def drop_partial(self) -> None:
        for path in self.path.glob(f"*{_PARTIAL}"):
            path.unlink(missing_ok=True)

    def sync(self, name: str) -> None:
        _sync(self.path / name)

    def sync_names(self, names: Iterable[str] = ()) -> None:
        folders = {self.path}
        for name in names:
            folder = (self.path / name).parent
            while folder != self.path:
                folders.add(folder)
                folder = folder.parent
        for folder in sorted(folders):
            sync_folder(folder)

    def filesystem(self) -> fs.FileSystem:
        return fs.SubTreeFileSystem(str(self.path), fs.LocalFileSystem())


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after any crash it is there whole or not at all."""
    partial = path.with_name(path.name + _PARTIAL)
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

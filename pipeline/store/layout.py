"""Where things lie in a store, its fixed settings, and the lock that keeps it to one process.

store.json          what was fixed at creation
tables/NAME/        Delta tables
raw/                the archive of uploads
journal/            outcomes that are durable but not yet in every table
state/TRACK/        what the merge knows of a track; can be rebuilt from the tables
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from pipeline.errors import StoreBusyError, StoreUnusableError
from schemas.tables import Track

FORMAT: Final = 3
OLDEST_FORMAT: Final = 1  # that can be brought up to this one
DEFAULT_BUCKETS: Final = 8


@dataclass(frozen=True)
class StoreConfig:
    """What is fixed when a store is made. ``buckets``: parts by person of the current tables."""

    format: int = FORMAT
    buckets: int = DEFAULT_BUCKETS


@dataclass(frozen=True)
class Layout:
    """The paths of one store."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "store.json"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    def state(self, track: Track) -> Path:
        """The state of what is merged for itself."""
        return self.root / "state" / track

    def table(self, name: str) -> Path:
        return self.root / "tables" / name


def layout_of(uri: str | Path) -> Layout:
    """The layout of a store by path or ``file:`` URI. Raises ``StoreUnusableError``."""
    parts = urlsplit(str(uri))
    if parts.scheme == "file":
        return Layout(Path(unquote(parts.path)).absolute())
    if parts.scheme and "://" in str(uri):
        raise StoreUnusableError(
            f"還不支援 {parts.scheme}:// 的資料庫，請給本機資料夾",
            f"Stores at {parts.scheme}:// are not supported yet; give a local folder",
        )
    return Layout(Path(uri).absolute())


def read_config(layout: Layout, *, older: bool = False) -> StoreConfig | None:
    """The store's settings, ``None`` where there is no store yet. Raises ``StoreUnusableError``.

    ``older``: the format may be an older one, for the caller migrates.
    """
    try:
        found = StoreConfig(**json.loads(layout.config.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise StoreUnusableError(
            f"{layout.root} 是檔案，不是資料庫的資料夾，請確認 --store",
            f"{layout.root} is a file, not the folder of a store; check --store",
        ) from error
    except (ValueError, TypeError) as error:
        raise StoreUnusableError(
            f"{layout.config} 無法讀取，請由備份還原",
            f"{layout.config} can't be read; restore it from a backup",
        ) from error
    if OLDEST_FORMAT <= found.format < FORMAT:
        if older:
            return found
        raise StoreUnusableError(
            f"{layout.root} 是第 {found.format} 版的資料庫，請先執行 nhi-upload store migrate",
            f"{layout.root} is a store of format {found.format}; "
            "run nhi-upload store migrate first",
        )
    if found.format != FORMAT:
        raise StoreUnusableError(
            f"{layout.root} 是第 {found.format} 版的資料庫，本程式使用第 {FORMAT} 版",
            f"{layout.root} is a store of format {found.format}; this program uses {FORMAT}",
        )
    return found


def write_config(layout: Layout, config: StoreConfig) -> None:
    """Write the settings, durably and all at once."""
    write_durably(layout.config, json.dumps(asdict(config)).encode())


@contextmanager
def locked(
    layout: Layout, wait_seconds: float, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the store. A second process waits, saying so, then gets ``StoreBusyError``."""
    lock = FileLock(layout.root / "store.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            waiting(
                f"資料庫使用中，最多等待 {wait_seconds:.0f} 秒\n"
                f"The store is in use; waiting up to {wait_seconds:.0f} s"
            )
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise StoreBusyError(
                f"{layout.root} 正由另一個程序使用，請等它結束後再執行",
                f"Another process is using {layout.root}; run again when it has finished",
            ) from None
    try:
        yield
    finally:
        lock.release()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after any crash it is there whole or not at all."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

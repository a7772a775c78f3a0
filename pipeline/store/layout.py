"""Where things lie in a store, its fixed settings, and the lock that keeps it to one process.

store.json          what was fixed at creation
tables/NAME/        Delta tables
raw/                the archive of uploads
journal/            outcomes that are durable but not yet in every table
state/TRACK/        what the merge knows of a track; can be rebuilt from the tables

A store on object storage has all but ``state``, which needs a disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from pipeline.errors import StoreBusyError, StoreUnusableError
from pipeline.store.failures import plainly
from pipeline.store.files import Files, LocalFiles
from schemas.tables import Track

FORMAT: Final = 3
OLDEST_FORMAT: Final = 1  # that can be brought up to this one
DEFAULT_BUCKETS: Final = 8
_CONFIG: Final = "store.json"


@dataclass(frozen=True)
class StoreConfig:
    """What is fixed when a store is made. ``buckets``: parts by person of the current tables."""

    format: int = FORMAT
    buckets: int = DEFAULT_BUCKETS


@dataclass(frozen=True)
class Layout:
    """The places of one store. ``files`` are all of it."""

    files: Files

    @property
    def uri(self) -> str:
        """The store as people name it."""
        return self.files.uri

    def table_files(self, name: str) -> Files:
        """The files of a table."""
        return self.files.at(f"tables/{name}")

    def state(self, track: Track) -> Path:
        """The state of what is merged for itself."""
        return self.root / "state" / track

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    def table(self, name: str) -> Path:
        return self.root / "tables" / name

    @property
    def disk(self) -> Path | None:
        """The folder of the store on this machine, ``None`` for one on object storage."""
        return self.files.path if isinstance(self.files, LocalFiles) else None

    @property
    def root(self) -> Path:
        """``disk``, for what needs one. Raises ``StoreUnusableError`` where there is none."""
        if self.disk is None:
            raise StoreUnusableError(
                f"此功能需要本機資料夾的資料庫，{self.uri} 不是",
                f"This needs a store in a local folder, which {self.uri} is not",
            )
        return self.disk


def layout_of(uri: str | Path) -> Layout:
    """The layout of a store by path, ``file:`` or ``s3:`` URI. Raises ``StoreUnusableError``."""
    parts = urlsplit(str(uri))
    if parts.scheme == "file":
        return Layout(LocalFiles(Path(unquote(parts.path)).absolute()))
    if parts.scheme == "s3" and parts.netloc:
        from pipeline.store.s3 import S3Files

        return Layout(S3Files(parts.netloc, parts.path.strip("/")))
    if parts.scheme and "://" in str(uri):
        raise StoreUnusableError(
            f"不支援 {parts.scheme}:// 的資料庫，請給本機資料夾或 s3://",
            f"Stores at {parts.scheme}:// are not supported; give a local folder or s3://",
        )
    return Layout(LocalFiles(Path(uri).absolute()))


def read_config(layout: Layout, *, older: bool = False) -> StoreConfig | None:
    """The store's settings, ``None`` where there is no store yet. Raises ``StoreUnusableError``.

    ``older``: the format may be an older one, for the caller migrates.
    """
    try:
        found = StoreConfig(**json.loads(layout.files.read(_CONFIG)))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise StoreUnusableError(
            f"{layout.uri} 是檔案，不是資料庫的資料夾，請確認 --store",
            f"{layout.uri} is a file, not the folder of a store; check --store",
        ) from error
    except OSError as error:
        raise StoreUnusableError(
            f"{layout.uri} 無法讀取（{plainly(error)}），請確認 --store、權限與連線設定",
            f"{layout.uri} can't be read ({plainly(error)}); check --store, rights and connection",
        ) from error
    except (ValueError, TypeError) as error:
        raise StoreUnusableError(
            f"{layout.uri}/{_CONFIG} 無法讀取，請由備份還原",
            f"{layout.uri}/{_CONFIG} can't be read; restore it from a backup",
        ) from error
    if OLDEST_FORMAT <= found.format < FORMAT:
        if older:
            return found
        raise StoreUnusableError(
            f"{layout.uri} 是第 {found.format} 版的資料庫，請先執行 nhi-upload store migrate",
            f"{layout.uri} is a store of format {found.format}; run nhi-upload store migrate first",
        )
    if found.format != FORMAT:
        raise StoreUnusableError(
            f"{layout.uri} 是第 {found.format} 版的資料庫，本程式使用第 {FORMAT} 版",
            f"{layout.uri} is a store of format {found.format}; this program uses {FORMAT}",
        )
    return found


def write_config(layout: Layout, config: StoreConfig) -> None:
    """Write the settings, durably and all at once."""
    layout.files.write(_CONFIG, json.dumps(asdict(config)).encode())


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
                f"{layout.uri} 正由另一個程序使用，請等它結束後再執行",
                f"Another process is using {layout.uri}; run again when it has finished",
            ) from None
    try:
        yield
    finally:
        lock.release()

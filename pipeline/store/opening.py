"""Opening a store's tables for writing: the lock, the settings, what a crash cut short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from pipeline.errors import StoreUnusableError
from pipeline.store.committer import Committer
from pipeline.store.delta import ALL_TABLES, DeltaTables
from pipeline.store.epochs import Epoch, epoch
from pipeline.store.failures import write_failures
from pipeline.store.files import sync_folder
from pipeline.store.layout import (
    DEFAULT_BUCKETS,
    FORMAT,
    Layout,
    StoreConfig,
    layout_of,
    read_config,
    write_config,
)
from pipeline.store.lease import Lease, held, recorder_lease
from pipeline.store.logs import drop_torn
from pipeline.store.migration import Tell, migrate

WAIT_SECONDS: Final = 60.0
_NOT_YET: Final = ("store.lock", "store.json.part", "lease/")  # a store

__all__ = ["WAIT_SECONDS", "Tell", "config_of", "hold", "open_tables"]


@contextmanager
def open_tables(
    uri: str | Path,
    *,
    buckets: int | None = None,
    wait_seconds: float = WAIT_SECONDS,
    tell: Tell | None = None,
    recording: bool = False,
) -> Iterator[Committer]:
    """Hold a store and its tables, complete what a crash cut short, bring it up to this format.

    ``buckets``: make a new store of so many if there is none. ``tell`` gets messages for people.
    ``recording``: after ``wait_seconds`` the store is taken from another recorder of its stream.
    Raises ``StoreUnusableError``, ``StoreBusyError`` or ``StoreWriteError``.
    """
    layout = layout_of(uri)
    if buckets is None and read_config(layout, older=True) is None:
        raise _no_store(layout)
    with write_failures():
        layout.files.make()
    with ExitStack() as holding:
        with write_failures():
            lease = holding.enter_context(hold(layout, wait_seconds, tell, recording=recording))
            committer = _at_hand(layout, buckets or DEFAULT_BUCKETS, tell, lease)
            _keep_names(layout)
        yield committer


def hold(
    layout: Layout, wait_seconds: float, tell: Tell | None = None, *, recording: bool = False
) -> AbstractContextManager[Lease | Epoch]:
    """The right to write, by what the store lies on. Raises ``StoreBusyError``."""
    if layout.disk is None:
        return epoch(layout.files, wait_seconds, tell, recording=recording)
    return recorder_lease(layout, wait_seconds) if recording else held(layout, wait_seconds, tell)


def config_of(layout: Layout) -> StoreConfig:
    """The settings of a store that is there. Raises ``StoreUnusableError``."""
    config = read_config(layout)
    if config is None:
        raise _no_store(layout)
    return config


def _no_store(layout: Layout) -> StoreUnusableError:
    """There is nothing to open."""
    return StoreUnusableError(
        f"{layout.uri} 沒有資料庫；第一次 nhi-upload run 會建立",
        f"There is no store at {layout.uri}; the first nhi-upload run makes one",
    )


def _at_hand(layout: Layout, buckets: int, tell: Tell | None, lease: Lease | Epoch) -> Committer:
    """The tables of a store that is held, whole and of this program's format."""
    config = read_config(layout, older=True) or _new(layout, buckets)
    for name in ALL_TABLES:
        drop_torn(layout.table_files(name))
    if config.format < FORMAT:
        return migrate(layout, config, tell)
    tables = DeltaTables(layout, guard=lease.check)
    tables.create_missing()
    return Committer(layout, config, tables, lease)


def _keep_names(layout: Layout) -> None:
    """Make the store's own folders durable before anything in them is relied on.

    A synced file in a folder whose name is lost with the power is lost as well.
    """
    for name in ("raw", "state"):
        layout.files.at(name).make()
    layout.files.at("tables").sync_names()
    layout.files.sync_names()
    if layout.disk is not None:
        with suppress(PermissionError):  # what holds the store may not be ours to read
            sync_folder(layout.disk.parent)


def _new(layout: Layout, buckets: int) -> StoreConfig:
    """The settings of a new store, written now."""
    stranger = next((n for n in layout.files.all_names() if not n.startswith(_NOT_YET)), None)
    if stranger is not None:
        raise StoreUnusableError(
            f"{layout.uri} 不是資料庫，裡面已有其他檔案（{stranger}）；請給空的資料夾",
            f"{layout.uri} is no store and holds other files ({stranger}); give an empty folder",
        )
    config = StoreConfig(buckets=buckets)
    write_config(layout, config)
    return config

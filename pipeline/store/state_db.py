"""The state of a merge on disk: three ordered maps in one LMDB environment (docs/STATE.md).

What was put lies in memory (``state_overlay``), can be read at once and lasts with the save: one
write transaction, synced, with the marker of how far the state is. A save of what was frozen may be
made by another thread while more is put and looked up. After any crash the state is that of an
earlier save, and catches up (``state_rebuild``).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import lmdb

from pipeline.errors import StoreUnusableError, StoreWriteError
from pipeline.merge.state_items import SLOT, VISIT
from pipeline.store.failures import commit_failed
from pipeline.store.files import sync_folder
from pipeline.store.state_overlay import Overlay

MAP_BYTES: Final = 1 << 38
"""Address space, not disk: the file grows as it is used."""

DATA: Final = "data.mdb"
MAPS: Final = ("moments", "ledger", "live")
COUNT_BYTES: Final = 8
_MARKER: Final = b"marker"
_LAYOUT: Final = b"layout"
_NUMBERS: Final = 8
_KEYS: Final = 2  # counts the ways in which keys have been made

Pair = tuple[bytes, bytes]


class StateDamagedError(StoreUnusableError):
    """The state can't be read, or is of another layout. It can be rebuilt from the tables."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(
            f"{folder} 的合併狀態無法使用（{why}）；資料表不受影響，請執行 "
            "nhi-upload store rebuild-state --store URI 由資料表重建",
            f"The state in {folder} can't be used ({why}); the tables are not touched by that: "
            "rebuild it from them with nhi-upload store rebuild-state --store URI",
        )


@dataclass(frozen=True)
class Marker:
    """How far a state is: the last batch and sequence in it, 0 for none."""

    batch: int = 0
    sequence: int = 0


def layout_digest() -> bytes:
    """Names the layout of the items: a state of another one is of no use."""
    described = repr((VISIT.descr, SLOT.descr, COUNT_BYTES, _KEYS))
    return blake2b(described.encode(), digest_size=8).digest()


class StateDb:
    """``State`` in a folder, made if it isn't there.

    Raises ``StateDamagedError`` for what can't be read, ``StoreWriteError`` where writing fails:
    the file is then as last saved, and the state is to be closed. ``durable`` is False only for a
    state that is being built where nobody looks, and ``sync``-ed at the end.
    """

    def __init__(self, folder: Path, *, map_bytes: int = MAP_BYTES, durable: bool = True) -> None:
        self.folder = folder
        self._building: lmdb.Transaction[bytes] | None = None
        self._overlay = Overlay(MAPS)
        self._refused = False
        made = not (folder / DATA).exists()
        with self._faults():
            folder.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                str(folder), map_size=map_bytes, max_dbs=len(MAPS), readahead=False,
                sync=durable, metasync=durable,
            )  # fmt: skip
        try:
            with self._faults():
                self._check_size()
                self._maps = {name: self._env.open_db(name.encode()) for name in MAPS}
                self._check_layout()
                if made:
                    sync_folder(folder)
                    sync_folder(folder.parent)
        except BaseException:
            self._env.close()
            raise

    @property
    def marker(self) -> Marker:
        """How far the state is, as saved."""
        with self._faults(), self._env.begin() as view:
            found = view.get(_MARKER, bytes(2 * _NUMBERS))
        return Marker(_number(found[:_NUMBERS]), _number(found[_NUMBERS:]))

    def moments(self, keys: Sequence[bytes]) -> list[bytes]:
        """``VISIT`` items of each moment, one after the other; empty where there are none."""
        return self._values("moments", keys)

    def ledger(self, keys: Sequence[bytes]) -> list[bytes]:
        """``SLOT`` items of each prescription, by place; empty where there are none."""
        return self._values("ledger", keys)

    def live(self, keys: Sequence[bytes]) -> list[int]:
        """Live visits of each (institution, month)."""
        return [_number(value) for value in self._values("live", keys)]

    def moments_between(self, first: bytes, stop: bytes) -> Iterator[bytes]:
        """The values of the moments from a key on, up to another, in order, as last saved."""
        with self._faults(), self._reading() as view:
            cursor = view.cursor(self._maps["moments"])
            if cursor.set_range(first):
                for key, value in cursor:
                    if key >= stop:
                        break
                    yield value

    def put(
        self, moments: Mapping[bytes, bytes], ledger: Mapping[bytes, bytes],
        live: Mapping[bytes, int],
    ) -> None:  # fmt: skip
        """Replace values, an empty one takes the key away; ``live`` holds differences."""
        if self._refused:
            raise commit_failed()
        now = self.live(list(live))
        counts = {
            key: _count(count + difference) if count + difference else b""
            for (key, difference), count in zip(live.items(), now, strict=True)
        }
        for name, items in zip(MAPS, (moments, ledger, counts), strict=True):
            self._overlay.put(name, items)

    def append(self, name: str, pairs: Sequence[Pair]) -> None:
        """Put items whose keys come after all that the map ``name`` holds, in order.

        For a state that is being built: by one thread, which saves it too.
        """
        with self._faults():
            if self._building is None:
                self._building = self._env.begin(write=True)
            self._building.cursor(self._maps[name]).putmulti(pairs, append=True)

    def freeze(self) -> None:
        """What was put goes with the next save; what is put from now on, with the one after.

        Raises ``RuntimeError`` before the save of what was frozen last is done.
        """
        self._overlay.freeze()

    def save(self, batch: int, sequence: int) -> None:
        """Make what was frozen, or if nothing was all that was put, last: as the state after this
        batch."""
        frozen = self._overlay.frozen or self._overlay.freeze()
        try:
            with self._faults():
                change, self._building = self._building or self._env.begin(write=True), None
                with change:
                    for name in MAPS:
                        _replace(change.cursor(self._maps[name]), frozen[name])
                    change.put(_MARKER, _count(batch) + _count(sequence))
        except BaseException:
            self.refuse()
            raise
        self._overlay.saved()

    def refuse(self) -> None:
        """Take nothing more: what was frozen came to nothing, and what follows rests on it."""
        self._refused = True

    def abandon(self) -> None:
        """Forget everything put and not frozen."""
        self._overlay.forget()
        if self._building is not None:
            change, self._building = self._building, None
            change.abort()

    def sync(self) -> None:
        """Make a state durable that was not while it was built."""
        with self._faults():
            self._env.sync(True)

    def contents(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Everything, put or saved, in order: name of the map, key, value. Not while putting."""
        for name in MAPS:
            with self._faults(), self._reading() as view:
                for key, value in self._overlay.over(name, iter(view.cursor(self._maps[name]))):
                    yield name, key, value

    def size(self) -> dict[str, int]:
        """Entries of each map, as saved; and ``bytes`` on disk."""
        with self._faults(), self._env.begin() as view:
            counts = {
                name: int(view.stat(handle)["entries"]) for name, handle in self._maps.items()
            }
        return {**counts, "bytes": (self.folder / DATA).stat().st_blocks * 512}

    def close(self) -> None:
        """Let go of the files; what was put and not saved is forgotten."""
        self.abandon()
        self._env.close()

    def _values(self, name: str, keys: Sequence[bytes]) -> list[bytes]:
        wanted = set(keys)
        put = self._overlay.find(name, wanted)
        with self._faults(), self._reading() as view:
            # In order of the keys, so that neighbours share the way down the tree.
            found = dict(view.cursor(self._maps[name]).getmulti(sorted(wanted - put.keys())))
        found |= put
        return [found.get(key, b"") for key in keys]

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction[bytes]]:
        """The transaction of a state that is being built sees what was appended."""
        if self._building is not None:
            yield self._building
            return
        with self._env.begin() as view:
            yield view

    def _check_size(self) -> None:
        """A file cut short would only show as a crash, when a page beyond its end is read."""
        info, page = self._env.info(), int(self._env.stat()["psize"])
        if (self.folder / DATA).stat().st_size < (int(info["last_pgno"]) + 1) * page:
            raise StateDamagedError(self.folder, f"{DATA} is cut short")

    def _check_layout(self) -> None:
        with self._env.begin() as view:
            found, saved = view.get(_LAYOUT), view.get(_MARKER)
        if found is None and saved is None:
            with self._env.begin(write=True) as change:
                change.put(_LAYOUT, layout_digest())
        elif found != layout_digest():
            raise StateDamagedError(self.folder, "another layout of items")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say what to do where LMDB or the disk gives up."""
        try:
            yield
        except lmdb.MapFullError as error:
            self._lost()
            raise StoreWriteError(
                f"{self.folder} 的合併狀態已達上限，請聯絡維護人員",
                f"The state in {self.folder} has used up its address space; that takes a release "
                "with a larger one",
            ) from error
        except (lmdb.DiskError, OSError) as error:
            self._lost()
            raise self._unwritable(error) from error
        except lmdb.Error as error:
            self._lost()
            if getattr(error, "code", 0) in _DISK_FAULTS:
                raise self._unwritable(error) from error
            if isinstance(error, _DAMAGE):
                raise StateDamagedError(self.folder, str(error)) from error
            raise StoreUnusableError(
                f"{self.folder} 的合併狀態無法開啟（{error}），請再執行一次",
                f"The state in {self.folder} can't be used now ({error}); run again",
            ) from error

    def _lost(self) -> None:
        """After a failed write LMDB lets a transaction do nothing but end."""
        with suppress(lmdb.Error):
            if self._building is not None:
                self._building.abort()
        self._building = None

    def _unwritable(self, error: Exception) -> StoreWriteError:
        return StoreWriteError(
            f"{self.folder} 的合併狀態無法寫入（{error}）。請清出磁碟空間或修正權限後再執行一次；"
            "下次開啟會由資料表補齊",
            f"The state in {self.folder} can't be written ({error}). Free disk space or mend the "
            "permissions and run again; the next opening completes it from the tables",
        )


_DISK_FAULTS: Final = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG,
}  # fmt: skip

_DAMAGE: Final = (
    lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.VersionMismatchError,
    lmdb.IncompatibleError, lmdb.PanicError,
)  # fmt: skip


def _replace(cursor: lmdb.Cursor[bytes], items: Mapping[bytes, bytes]) -> None:
    put = sorted(filter(items.get, items))
    cursor.putmulti(zip(put, map(items.__getitem__, put), strict=True))
    for key in sorted(items.keys() - put):
        if cursor.set_key(key):
            cursor.delete()


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little", signed=True)


def _count(number: int) -> bytes:
    return number.to_bytes(COUNT_BYTES, "little", signed=True)

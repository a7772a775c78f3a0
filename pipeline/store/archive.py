"""The raw archive: every upload's bytes, compressed, in append-only packs indexed by SHA-256.

    raw/pack-000001.zst    members end to end: a header and a zstd frame
    raw/index.sqlite       SHA-256 → pack, offset, sizes; can be rebuilt from the packs
    raw/objects/           uploads that came by a stream, each a frame of its own

Bytes are durable when ``sync`` returns; only then does the index name them. What a crash leaves
behind the last indexed member is cut off at the next opening. The same bytes are kept once.

Several threads may use an archive: what one adds, another's ``sync`` makes durable too.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import BinaryIO, Final, Self

import zstandard

from pipeline.errors import StoreUnusableError

PACK_BYTES: Final = 1 << 30  # a new pack starts once one has grown beyond this
LEVEL: Final = 1  # measured on records full of signatures: 580 MB/s, where level 3 does 240
_HEADER: Final = struct.Struct("<4s32sQQ")  # mark, SHA-256, plain size, stored size
_MARK: Final = b"NHIU"


@dataclass(frozen=True)
class Place:
    """Where a member's header stands, and its sizes in bytes."""

    pack: int
    offset: int
    plain: int
    stored: int

    @property
    def end(self) -> int:
        return self.offset + _HEADER.size + self.stored


def read_archived(folder: Path, digest: bytes) -> bytes:
    """The bytes of an upload, found while others may be writing.

    Raises ``KeyError`` if they are not archived, ``StoreUnusableError`` if they are damaged.
    """
    try:
        with closing(sqlite3.connect(f"{_index_path(folder).as_uri()}?mode=ro", uri=True)) as index:
            place = _place(index, digest)
    except sqlite3.OperationalError:  # no archive yet
        place = None
    if place is None:
        return _read_object(folder / object_name(digest.hex()), digest)
    with _pack_path(folder, place.pack).open("rb") as pack:
        pack.seek(place.offset + _HEADER.size)
        frame = pack.read(place.stored)
    return _plain(frame, place.plain, digest)


def object_name(digest: str) -> str:
    """Where the bytes of an upload are that came by a stream: a frame of its own, since there are
    many writers (``pipeline.stream.objects``)."""
    return f"objects/{digest[:2]}/{digest}.zst"


def unpacked(frame: bytes, digest: bytes) -> bytes:
    """What is in a frame of its own. Raises ``StoreUnusableError`` if it is damaged."""
    return _plain(frame, 0, digest)  # the frame tells its size


def _read_object(path: Path, digest: bytes) -> bytes:
    try:
        frame = path.read_bytes()
    except FileNotFoundError:
        raise KeyError(digest.hex()) from None
    return unpacked(frame, digest)


def compress(payloads: Iterable[bytes]) -> list[bytes]:
    """The frames under which payloads are archived. Any thread may do this."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    return [compressor.compress(payload) for payload in payloads]


class Archive:
    """The archive under one folder. One process at a time opens it.

    After a write that failed nothing more is taken until it is opened anew: what became of the
    bytes is not known, and a second attempt would be told that all is well. Raises ``OSError``.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = RLock()
        self._failed = False
        self._index = _open_index(_index_path(folder))
        if self._index.execute("SELECT count(*) FROM member").fetchone()[0] == 0:
            self._reindex()
        last = self._index.execute(
            "SELECT pack, max(offset + stored) + ? FROM member"
            " WHERE pack = (SELECT max(pack) FROM member)",
            (_HEADER.size,),
        ).fetchone()
        self._number = last[0] or 1
        self._end: int = last[1] or 0
        self._pending: dict[bytes, Place] = {}
        self._pack = self._open_pack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, digest: bytes, plain: int, frame: bytes) -> None:
        """Append a frame of ``compress``, unless its bytes are there; durable after ``sync``.

        ``digest`` is the SHA-256 and ``plain`` the size of what was compressed.
        """
        with self._writing():
            if digest in self._pending or self.place(digest) is not None:
                return
            if self._end > PACK_BYTES:
                self.sync()
                self._pack.close()
                self._number, self._end = self._number + 1, 0
                self._pack = self._open_pack()
            self._pack.write(_HEADER.pack(_MARK, digest, plain, len(frame)))
            self._pack.write(frame)
            place = Place(self._number, self._end, plain, len(frame))
            self._pending[digest] = place
            self._end = place.end

    def sync(self) -> None:
        """Make everything added durable, then let the index name it."""
        with self._writing():
            if not self._pending:
                return
            self._pack.flush()
            os.fsync(self._pack.fileno())
            rows = [
                (digest, p.pack, p.offset, p.plain, p.stored) for digest, p in self._pending.items()
            ]
            with self._index:
                self._index.executemany("INSERT INTO member VALUES (?, ?, ?, ?, ?)", rows)
            self._pending.clear()

    def place(self, digest: bytes) -> Place | None:
        """Where durable bytes are; ``None`` if the archive does not have them."""
        with self._lock:
            return _place(self._index, digest)

    def close(self) -> None:
        """Let go of the files; what was added since the last sync is forgotten."""
        with self._lock:
            with suppress(OSError):  # what is still buffered can't be written, nor is it wanted
                self._pack.close()
            self._index.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One thread at a time, and none after a failure."""
        with self._lock:
            if self._failed:
                raise OSError(errno.EIO, "an earlier write to the archive failed")
            try:
                yield
            except BaseException:
                self._failed = True
                raise

    def _open_pack(self) -> BinaryIO:
        path = _pack_path(self._folder, self._number)
        new = not path.exists()
        pack = path.open("ab")
        if pack.tell() < self._end:
            pack.close()
            raise StoreUnusableError(
                f"原始檔案庫毀損：{path.name} 比索引短，請由備份還原 raw/",
                f"The raw archive is damaged: {path.name} is shorter than its index says; "
                "restore raw/ from a backup",
            )
        pack.truncate(self._end)
        pack.seek(self._end)
        if new:
            _sync_folder(self._folder)
        return pack

    def _reindex(self) -> None:
        """Find the members by their headers; a torn one ends its pack."""
        for path in sorted(self._folder.glob("pack-*.zst")):
            number = int(path.stem.removeprefix("pack-"))
            with self._index:
                self._index.executemany(
                    "INSERT OR IGNORE INTO member VALUES (?, ?, ?, ?, ?)", _members(path, number)
                )


def _members(path: Path, number: int) -> Iterable[tuple[bytes, int, int, int, int]]:
    size, offset = path.stat().st_size, 0
    with path.open("rb") as pack:
        while offset + _HEADER.size <= size:
            pack.seek(offset)
            mark, digest, plain, stored = _HEADER.unpack(pack.read(_HEADER.size))
            if mark != _MARK or offset + _HEADER.size + stored > size:
                return
            try:
                _plain(pack.read(stored), plain, digest)
            except StoreUnusableError:
                return
            yield digest, number, offset, plain, stored
            offset += _HEADER.size + stored


def _index_path(folder: Path) -> Path:
    return folder.absolute() / "index.sqlite"


def _pack_path(folder: Path, number: int) -> Path:
    return folder / f"pack-{number:06d}.zst"


def _place(index: sqlite3.Connection, digest: bytes) -> Place | None:
    row = index.execute(
        "SELECT pack, offset, plain, stored FROM member WHERE sha256 = ?", (digest,)
    ).fetchone()
    return Place(*row) if row else None


def _plain(frame: bytes, size: int, digest: bytes) -> bytes:
    try:
        payload = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
    except zstandard.ZstdError:
        payload = b""
    if sha256(payload).digest() != digest:
        raise StoreUnusableError(
            f"原始檔案庫毀損：{digest.hex()} 的內容不符，請由備份還原 raw/",
            f"The raw archive is damaged: the bytes of {digest.hex()} are not what was stored; "
            "restore raw/ from a backup",
        )
    return payload


def _open_index(path: Path) -> sqlite3.Connection:
    index = sqlite3.connect(path, check_same_thread=False)
    index.execute("PRAGMA journal_mode = WAL")
    index.execute("PRAGMA synchronous = FULL")
    index.execute(
        "CREATE TABLE IF NOT EXISTS member (sha256 BLOB PRIMARY KEY, pack INTEGER NOT NULL,"
        " offset INTEGER NOT NULL, plain INTEGER NOT NULL, stored INTEGER NOT NULL) WITHOUT ROWID"
    )
    return index


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The raw archive: durable, deduplicated, and as it was after torn writes or a lost index."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.errors import StoreUnusableError
from pipeline.store import archive as module
from pipeline.store.archive import Archive, compress, read_archived


def add(archive: Archive, *payloads: bytes) -> list[bytes]:
    digests = [sha256(p).digest() for p in payloads]
    for digest, payload, frame in zip(digests, payloads, compress(payloads), strict=True):
        archive.add(digest, len(payload), frame)
    return digests


def archived(folder: Path, *payloads: bytes) -> list[bytes]:
    """Add, sync, close; gives the digests."""
    with Archive(folder) as archive:
        digests = add(archive, *payloads)
        archive.sync()
    return digests


def read(folder: Path, digests: list[bytes]) -> list[bytes]:
    return [read_archived(folder, d) for d in digests]


def test_what_was_added_is_read_back_by_its_digest(tmp_path: Path) -> None:
    payloads = [b"", b"<RECS/>" * 1000, bytes(range(256))]
    digests = archived(tmp_path / "raw", *payloads)
    assert read(tmp_path / "raw", digests) == payloads
    with pytest.raises(KeyError):
        read(tmp_path / "raw", [sha256(b"never").digest()])


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    archived(tmp_path, b"same", b"same")
    size = (tmp_path / "pack-000001.zst").stat().st_size
    archived(tmp_path, b"same")
    assert (tmp_path / "pack-000001.zst").stat().st_size == size > 0


def test_bytes_are_not_named_before_they_are_durable(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        (digest,) = add(archive, b"not yet")
        assert archive.place(digest) is None
        archive.sync()
        assert archive.place(digest) is not None


def test_a_torn_tail_is_cut_off(tmp_path: Path) -> None:
    first = archived(tmp_path, b"durable")
    pack = tmp_path / "pack-000001.zst"
    whole = pack.read_bytes()
    pack.write_bytes(whole + whole[:50])
    second = archived(tmp_path, b"after the crash")
    assert read(tmp_path, first + second) == [b"durable", b"after the crash"]


def test_a_lost_index_is_made_again_from_the_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACK_BYTES", 100)
    payloads = [bytes([i]) * 300 for i in range(9)]
    digests = archived(tmp_path, *payloads)
    assert len(list(tmp_path.glob("pack-*"))) > 1
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    archived(tmp_path)
    assert read(tmp_path, digests) == payloads


def test_damage_is_told_and_never_returned_as_bytes(tmp_path: Path) -> None:
    digests = archived(tmp_path, b"precious" * 100)
    pack = tmp_path / "pack-000001.zst"
    raw = bytearray(pack.read_bytes())
    raw[-6] ^= 0xFF
    pack.write_bytes(raw)
    with pytest.raises(StoreUnusableError, match="restore raw/"):
        read(tmp_path, digests)
    pack.write_bytes(raw[:-1])
    with pytest.raises(StoreUnusableError, match="shorter than its index"):
        Archive(tmp_path)


def test_threads_add_and_sync_each_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a thread synced is there for it, whoever else writes; every byte once, in its place."""
    monkeypatch.setattr(module, "PACK_BYTES", 20_000)
    payloads = [(i % 40).to_bytes(2, "big") * (50 + i % 40) for i in range(400)]
    with Archive(tmp_path) as archive, ThreadPoolExecutor(4) as pool:

        def keep(part: list[bytes]) -> bool:
            digests = add(archive, *part)
            archive.sync()
            return all(archive.place(digest) for digest in digests)

        assert all(pool.map(keep, (payloads[i : i + 4] for i in range(0, 400, 4))))
    digests = [sha256(payload).digest() for payload in payloads]
    assert read(tmp_path, digests) == payloads
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    archived(tmp_path)
    assert read(tmp_path, digests) == payloads


def test_after_a_sync_that_failed_nothing_is_taken_for_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "no")

    with Archive(tmp_path) as archive:
        (digest,) = add(archive, b"lost, perhaps")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fails)
            with pytest.raises(OSError, match="no"):
                archive.sync()
        for attempt in (archive.sync, lambda: add(archive, b"more")):
            with pytest.raises(OSError, match="earlier write"):
                attempt()
        assert archive.place(digest) is None
    assert read(tmp_path, archived(tmp_path, b"lost, perhaps")) == [b"lost, perhaps"]

"""Files and the page cache: push them out of it, and ask how much of them is in it."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def drop_from_cache(folder: Path) -> None:
    """Let the kernel forget the pages of every file; nobody may have them mapped."""
    for path in _files(folder):
        with _opened(path) as handle:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def warm(folder: Path) -> None:
    """Read every file once, so that the kernel keeps what it has room for."""
    for path in _files(folder):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def resident_bytes(folder: Path) -> int:
    """Bytes of the files under a folder that are in the page cache, as mincore says."""
    return sum(_resident(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR)
    try:
        yield handle
    finally:
        os.close(handle)


def _resident(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with _opened(path) as handle, mmap.mmap(handle, 0) as mapped:
        pages = -(-len(mapped) // mmap.PAGESIZE)
        states = (ctypes.c_ubyte * pages)()
        start = ctypes.c_char.from_buffer(mapped)
        libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(mapped)), states)
        del start
        return sum(state & 1 for state in states) * mmap.PAGESIZE

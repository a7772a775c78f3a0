"""Bytes of uploads that were settled last: who waits for a verdict asks at once, and telling it
needs them. Reading the archive would cost as much as checking the upload did."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final

from pipeline.ingest.unpack import Payload

MOST: Final = 32 << 20


class RecentBytes:
    """For any number of threads. Keeps up to ``most`` bytes, the last put longest; ``read`` gives
    what isn't kept by its digest."""

    def __init__(self, read: Callable[[bytes], bytes], most: int = MOST) -> None:
        self._read = read
        self._most = most
        self._lock = Lock()
        self._kept = OrderedDict[bytes, bytes]()
        self._size = 0

    def put(self, payloads: Iterable[Payload]) -> None:
        """Keep some, unless they could not be unpacked."""
        with self._lock:
            for payload in payloads:
                if payload.refusal is None and payload.sha256 not in self._kept:
                    self._kept[payload.sha256] = payload.data
                    self._size += len(payload.data)
            while self._size > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest)

    def get(self, digest: bytes) -> bytes:
        """An upload's bytes. Raises what ``read`` raises."""
        with self._lock:
            kept = self._kept.get(digest)
        return self._read(digest) if kept is None else kept

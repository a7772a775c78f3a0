"""The archive of a stream: an object an upload, which any number of processes may write.

raw/objects/4f/4f2a….zst

Packs (``pipeline.store.archive``) have one writer; what is found there is found here too.
"""

from __future__ import annotations

from contextlib import suppress

from pipeline.store.archive import compress, object_name
from pipeline.store.failures import write_failures
from pipeline.store.layout import Layout
from pipeline.store.raw import read_upload


class Objects:
    """The objects of one store, for any number of threads."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._raw = layout.files.at("raw")
        self._folders = set[str]()

    def keep(self, digest: str, payload: bytes) -> None:
        """Make bytes durable under their SHA-256 (hex). Raises ``StoreWriteError``."""
        name = object_name(digest)
        with write_failures():
            if self._raw.has(name):
                return
            self._have(name.rpartition("/")[0])
            with suppress(FileExistsError):  # another process had the same bytes
                self._raw.create(name, compress([payload])[0])

    def read(self, digest: str) -> bytes:
        """The bytes of a SHA-256. Raises ``KeyError``, ``StoreUnusableError`` where damaged."""
        return read_upload(self.layout, bytes.fromhex(digest))

    def _have(self, folder: str) -> None:
        """Have a folder whose name lasts."""
        if folder not in self._folders:
            self._raw.at(folder).make()
            self._raw.sync_names([f"{folder}/"])
            self.layout.files.sync_names()
            self._folders.add(folder)

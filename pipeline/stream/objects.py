"""The archive of a stream: an object an upload, which any number of processes may write.

raw/objects/4f/4f2a….zst

Packs (``pipeline.archive``) have one writer; what is found there is found here too.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import zstandard

from pipeline.archive import compress, read_archived
from pipeline.errors import StoreUnusableError
from pipeline.store.failures import write_failures
from pipeline.store.layout import Layout, sync_folder


class Objects:
    """The objects of one store."""

    def __init__(self, layout: Layout) -> None:
        self._raw = layout.raw
        self._folder = layout.raw / "objects"

    def keep(self, digest: str, payload: bytes) -> None:
        """Make bytes durable under their SHA-256 (hex). Raises ``StoreWriteError``."""
        path = self._path(digest)
        if path.exists():
            return
        with write_failures():
            new = not path.parent.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
            with partial.open("wb") as file:
                file.write(compress([payload])[0])
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
            if new:
                for folder in (self._folder, self._raw, self._raw.parent):
                    sync_folder(folder)

    def read(self, digest: str, size: int) -> bytes:
        """The bytes of a SHA-256. Raises ``KeyError``, ``StoreUnusableError`` where damaged."""
        try:
            frame = self._path(digest).read_bytes()
        except FileNotFoundError:
            return read_archived(self._raw, bytes.fromhex(digest))
        try:
            return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
        except zstandard.ZstdError as error:
            raise StoreUnusableError(
                f"原始檔案庫毀損：{digest} 無法解壓縮，請由備份還原 raw/",
                f"The raw archive is damaged: {digest} can't be unpacked; restore raw/",
            ) from error

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.zst"

"""The bytes of uploads, wherever a store keeps them."""

from __future__ import annotations

from pipeline.store.archive import object_name, read_archived, unpacked
from pipeline.store.layout import Layout


def read_upload(layout: Layout, digest: bytes) -> bytes:
    """The bytes of a SHA-256, found while others may be writing.

    Raises ``KeyError`` if they are not archived, ``StoreUnusableError`` if they are damaged.
    """
    if layout.disk is not None:
        return read_archived(layout.raw, digest)
    try:
        frame = layout.files.at("raw").read(object_name(digest.hex()))
    except FileNotFoundError:
        raise KeyError(digest.hex()) from None
    return unpacked(frame, digest)

"""PURE: the bytes of an upload → the version of the upload format they are in.

Decided by the first element that only one version has: in a right upload the first field of the
first record's header, A00 or H00. An upload in which none stands is taken for 2.0, whose parser
says what is wrong with it. What follows may not mix: there, fields of another version are unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pipeline.parse.tokens import tags
from schemas import V2, Version, versions

_MOST_TAGS = 200
_HEAD_BYTES = 1 << 16  # where the first header is; what is longer was made to take time
_VERSION_OF = {name: version for version in versions().values() for name in version.catalogue}


def recognise(payload: bytes) -> Version:
    """The version of an unpacked upload, whatever else is wrong with it."""
    try:
        for tag in islice(tags(payload[:_HEAD_BYTES], 0, "cp950"), _MOST_TAGS):
            if tag.name in _VERSION_OF:
                return _VERSION_OF[tag.name]
    except UnicodeDecodeError:  # of the name of an element: decoding will refuse the upload
        pass
    return V2


def by_version(payloads: Sequence[bytes]) -> dict[Version, list[int]]:
    """Which uploads are in which version, by their places in ``payloads``."""
    found: dict[Version, list[int]] = {}
    for place, payload in enumerate(payloads):
        found.setdefault(recognise(payload), []).append(place)
    return found

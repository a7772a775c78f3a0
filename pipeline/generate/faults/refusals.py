"""Faults for which an upload is refused as a whole, made in its bytes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

Plant = Callable[[bytes, Random], tuple[bytes, int]]
"""Breaks an upload; gives its bytes and the byte offset to be named."""


class RefusalFault(NamedTuple):
    """One kind: its code and how it is made."""

    name: str
    code: str
    plant: Plant


def _utf8(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    """UTF-8 under a declaration that says Big5, refused at the first bytes that are no pair."""
    at = payload.index(b"<RECS>")
    comment = "<!--健保-->".encode()
    return payload[:at] + comment + payload[at:], at + len(b"<!--")


def _stray_byte(payload: bytes, rng: Random) -> tuple[bytes, int]:
    """A lead byte without its second half, inside some value."""
    at = rng.choice(_all(payload, b"</M11>"))
    return payload[:at] + b"\xa4" + payload[at:], at


def _declared_utf8(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    start = payload.index(b'encoding="') + len(b'encoding="')
    stop = payload.index(b'"', start)
    return payload[:start] + b"UTF-8" + payload[stop:], start


def _cut_off(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    """The closing RECS is missing, as when a transfer broke between records."""
    broken = payload[: payload.rindex(b"</RECS>")]
    return broken, len(broken)


def _record_open(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    """The last record is never closed."""
    at = payload.rindex(b"</REC>")
    broken = payload[:at] + payload[at + len(b"</REC>") :]
    return broken, broken.rindex(b"</RECS>")


def _twice(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    """Two uploads joined into one file."""
    again = payload[payload.index(b"<RECS>") :]
    return payload + again, len(payload)


def _doctype(payload: bytes, _rng: Random) -> tuple[bytes, int]:
    at = payload.index(b"<RECS>")
    return payload[:at] + b"<!DOCTYPE RECS>" + payload[at:], at


def _crossed_tags(payload: bytes, rng: Random) -> tuple[bytes, int]:
    """A field closed under another name."""
    at = rng.choice(_all(payload, b"</M11>"))
    return payload[:at] + b"</M12>" + payload[at + len(b"</M11>") :], at


def _all(payload: bytes, tag: bytes) -> list[int]:
    found, at = [], payload.find(tag)
    while at >= 0:
        found.append(at)
        at = payload.find(tag, at + 1)
    return found


REFUSALS = (
    RefusalFault("utf-8-bytes", "Y014", _utf8),
    RefusalFault("half-a-character", "Y014", _stray_byte),
    RefusalFault("declared-utf-8", "Y014", _declared_utf8),
    RefusalFault("no-end", "Y007", _cut_off),
    RefusalFault("record-not-closed", "Y006", _record_open),
    RefusalFault("two-uploads-in-one", "Y015", _twice),
    RefusalFault("doctype", "Y001", _doctype),
    RefusalFault("crossed-tags", "Y001", _crossed_tags),
)

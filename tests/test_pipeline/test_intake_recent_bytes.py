"""Bytes of uploads that were settled last."""

from __future__ import annotations

from hashlib import sha256

import pytest

from pipeline.ingest.unpack import Payload
from pipeline.intake.recent_bytes import RecentBytes
from pipeline.outcome import Refusal


def payload(data: bytes, refusal: Refusal | None = None) -> Payload:
    return Payload("a.xml", data, sha256(data).digest(), refusal)


def archive(digest: bytes) -> bytes:
    raise KeyError(digest.hex())


def test_what_was_put_is_not_read_again() -> None:
    recent = RecentBytes(archive)
    recent.put([payload(b"one"), payload(b"two")])
    assert recent.get(sha256(b"two").digest()) == b"two"


def test_the_oldest_go_once_there_is_too_much() -> None:
    recent = RecentBytes(archive, most=6)
    recent.put([payload(b"one"), payload(b"two"), payload(b"two")])
    assert recent.get(sha256(b"one").digest()) == b"one"
    recent.put([payload(b"six")])
    assert recent.get(sha256(b"six").digest()) == b"six"
    with pytest.raises(KeyError):
        recent.get(sha256(b"one").digest())


def test_what_could_not_be_unpacked_is_not_kept() -> None:
    recent = RecentBytes(archive)
    recent.put([payload(b"cut short", Refusal("Y001", 0, 1, 1))])
    with pytest.raises(KeyError):
        recent.get(sha256(b"cut short").digest())

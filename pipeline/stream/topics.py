"""What a stream is: its topics, and what was fixed when it began (``STORE/stream.json``)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from pipeline.errors import StoreUnusableError
from pipeline.store.layout import Layout
from pipeline.store.opening import open_tables

NAME: Final = "stream.json"
WAYS: Final = 8
PARTITIONS: Final = 8
RECEIPTS: Final = 8


@dataclass(frozen=True)
class Stream:
    """A stream into one store. ``base``: the sequence before that of its first claim.

    ``ways`` and ``partitions`` are fixed: order and state depend on them. ``begun``: the sequence
    up to which the tables held everything when it began, ``base`` where none is told.
    """

    base: int
    prefix: str = "nhi-"
    ways: int = WAYS
    partitions: int = PARTITIONS
    begun: int | None = None

    @property
    def after(self) -> int:
        """What it takes into the tables comes after this sequence."""
        return self.base if self.begun is None else self.begun

    @property
    def topics(self) -> dict[str, int]:
        """Every topic and its number of partitions."""
        counts = {
            "intake": 1, "uploads": self.ways, "records": self.partitions, "holds": 1,
            "verdicts": self.partitions + self.ways, "receipts": RECEIPTS, "progress": 1, "dead": 1,
        }  # fmt: skip
        return {self.prefix + name: count for name, count in counts.items()}

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return self.prefix + name

    def sequence_of(self, offset: int) -> int:
        """The sequence of a claim by its offset in ``intake``."""
        return self.base + offset + 1

    def offset_behind(self, sequence: int) -> int:
        """The offset in ``intake`` of the first claim behind a sequence."""
        return max(sequence - self.base, 0)  # claims between may have been lost

    def way_of(self, sequence: int) -> int:
        """The way an upload takes."""
        return sequence % self.ways


def stream_of(layout: Layout) -> Stream | None:
    """The stream into a store, ``None`` if it takes uploads otherwise.

    Raises ``StoreUnusableError``.
    """
    path = f"{layout.uri}/{NAME}"
    try:
        return Stream(**json.loads(layout.files.read(NAME)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise StoreUnusableError(
            f"{path} 無法讀取，請由備份還原", f"{path} can't be read; restore it from a backup"
        ) from error


def refuse_stream(layout: Layout) -> None:
    """Raises ``StoreUnusableError`` for a store that takes its uploads from a stream."""
    if stream_of(layout) is not None:
        raise StoreUnusableError(
            f"{layout.uri} 的上傳由串流收件，請改用 nhi-upload publish",
            f"{layout.uri} takes its uploads from a stream; use nhi-upload publish",
        )


def refuse_renewed(layout: Layout, stream: Stream) -> None:
    """Raises ``StoreUnusableError`` where a store takes its uploads from another stream by now."""
    if stream_of(layout) != stream:
        raise StoreUnusableError(
            "串流已重新開始，請重新啟動本程序",
            "The stream was begun anew: start this process again",
        )


def begin_stream(layout: Layout, **fixed: object) -> Stream:
    """The stream into a store, made now if there is none; the store too.

    ``fixed`` are values of ``Stream`` for a new one. Raises what ``open_tables`` raises.
    """
    found = stream_of(layout)
    if found is not None:
        return found
    with open_tables(layout.uri, buckets=PARTITIONS, recording=True) as committer:
        found = stream_of(layout)  # somebody else may have been first
        if found is None:
            found = Stream(committer.last_sequence, **fixed)  # type: ignore[arg-type]
            fix_stream(layout, found)
    return found


def fix_stream(layout: Layout, stream: Stream) -> None:
    """Let a store that is held take its uploads from a stream, all at once and durably."""
    layout.files.write(NAME, json.dumps(asdict(stream)).encode())

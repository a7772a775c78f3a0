"""PURE: what travels between workers, as bytes: a header in JSON and the bytes it tells of.

    4 bytes    length of the header, big-endian
    header     JSON; "blobs" are the lengths of what follows
    blobs      end to end

Anything else is ``PoisonError``: it goes to the dead letters and nobody waits for it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, get_args

import orjson
import pyarrow as pa

from pipeline.outcome import Channel, Decision, Envelope, Mode, Refusal
from pipeline.upload_ids import MOMENT_LENGTH

_LENGTH: Final = struct.Struct(">I")
FORMAT: Final = 1
CLAIM: Final = "claim"


class PoisonError(ValueError):
    """A message that nobody can read: not one of ours, cut short, or of another format."""


@dataclass(frozen=True)
class Claim:
    """What stands for an upload: where its bytes are, and its envelope.

    ``refusal`` (code, what stood there in both languages): why it could not be unpacked, so that
    there are no bytes. ``repeats``: id and sequence of the upload that it repeats. ``decision``
    (release or drop, who decided, when): it was held, and this became of it; of the same upload the
    first decision counts. ``again``: we failed on it so many times.
    """

    upload_id: str
    sha256: str
    size: int
    received_at: datetime
    institution: str | None
    channel: str
    mode: str
    name: str
    address: str | None = None
    refusal: tuple[str, str, str] | None = None
    repeats: tuple[str, int] | None = None
    decision: tuple[Decision, str | None, str] | None = None
    again: int = 0

    @property
    def twin(self) -> str:
        """What it shares with an upload that is sent again: all of its id but the moment."""
        return f"decided {self.upload_id}" if self.decision else self.upload_id[MOMENT_LENGTH:]

    @property
    def says(self) -> str:
        """What is the same in all that share a ``twin``, but where an Idempotency-Key comes again
        with other bytes or in another mode."""
        return "" if self.decision else f"{self.mode} {self.sha256}"

    @property
    def refused(self) -> Refusal | None:
        """Why it could not be unpacked."""
        return Refusal(self.refusal[0], 0, 1, 1, *self.refusal[1:]) if self.refusal else None

    @property
    def released(self) -> bool:
        """Whether it was held, and is to be taken now."""
        return self.decision is not None and self.decision[0] == "release"

    @property
    def dropped(self) -> bool:
        """Whether it was held, and is never to be taken."""
        return self.decision is not None and self.decision[0] == "drop"

    @property
    def envelope(self) -> Envelope:
        """Its envelope."""
        return Envelope(
            self.received_at, self.institution, self.channel, self.mode, self.name, self.address,  # type: ignore[arg-type]
        )  # fmt: skip

    def header(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self) | {"received_at": self.received_at.isoformat()}

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Claim:
        """From the header of a message. Raises ``PoisonError``."""
        try:
            known = dict(header)
            known["received_at"] = datetime.fromisoformat(known["received_at"])
            for name in ("refusal", "repeats", "decision"):
                known[name] = None if known.get(name) is None else tuple(known[name])
            claim = cls(**known)
            bytes.fromhex(claim.sha256)
            if claim.decision is not None:
                datetime.fromisoformat(claim.decision[2])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise PoisonError("no claim") from error
        if not claim._is_sound():
            raise PoisonError("a claim of other things")
        return claim

    def _is_sound(self) -> bool:
        texts = (self.upload_id, self.channel, self.mode, self.name, *(self.refusal or ()))
        perhaps = (self.institution, self.address)
        return (
            all(isinstance(text, str) for text in texts)
            and all(text is None or isinstance(text, str) for text in perhaps)
            and self.channel in get_args(Channel) and self.mode in get_args(Mode)
            and all(type(number) is int and number >= 0 for number in (self.size, self.again))
            and self.received_at.tzinfo is not None
            and (self.refusal is None or len(self.refusal) == 3)
            and (self.repeats is None or list(map(type, self.repeats)) == [str, int])
            and (self.decision is None or self.decision[0] in get_args(Decision))
        )  # fmt: skip


def why_refused(refusal: Refusal | None) -> tuple[str, str, str] | None:
    """A refusal as claims tell it."""
    return (refusal.code, refusal.detail_zh, refusal.detail_en) if refusal else None


def number_in(header: Mapping[str, Any], name: str, below: int = 1 << 63) -> int:
    """A number of a header, from 0 and below a bound. Raises ``PoisonError``."""
    number = header.get(name)
    if type(number) is not int or not 0 <= number < below:
        raise PoisonError(f"no {name}")
    return number


def pack(kind: str, header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """A message of a kind."""
    head = orjson.dumps(
        {**header, "kind": kind, "format": FORMAT, "blobs": [len(blob) for blob in blobs]}
    )
    return b"".join([_LENGTH.pack(len(head)), head, *blobs])


def unpack(message: bytes) -> tuple[str, dict[str, Any], list[bytes]]:
    """Kind, header and blobs of a message. Raises ``PoisonError``."""
    try:
        (length,) = _LENGTH.unpack_from(message)
        header = orjson.loads(message[_LENGTH.size : _LENGTH.size + length])
        if header.pop("format") != FORMAT:
            raise PoisonError("another format")
        sizes, kind = header.pop("blobs"), header.pop("kind")
        at, blobs = _LENGTH.size + length, list[bytes]()
        for size in sizes:
            blobs.append(message[at : at + size])
            at += size
        if at != len(message):
            raise PoisonError("cut short")
    except (struct.error, orjson.JSONDecodeError, KeyError, TypeError,
            AttributeError) as error:  # fmt: skip
        raise PoisonError("no message of ours") from error
    return kind, header, blobs


def pack_claim(claim: Claim) -> bytes:
    """A message of a claim."""
    return pack(CLAIM, claim.header())


def claim_of(message: bytes) -> Claim:
    """The claim of a message. Raises ``PoisonError``."""
    kind, header, _ = unpack(message)
    if kind != CLAIM:
        raise PoisonError(f"{kind}, not a claim")
    return Claim.of(header)


def pack_table(table: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack_table(blob: bytes) -> pa.Table:
    """A table from an Arrow stream. Raises ``PoisonError``."""
    try:
        return pa.ipc.open_stream(blob).read_all()
    except (pa.ArrowException, OSError) as error:
        raise PoisonError("no table") from error

"""The insurer's envelope: JSON of a request → what it asks. Pure.

Clients differ in the capitals of the keys (sSamId, sSamid), so those count for nothing; a key that
is there twice is refused, however it is written. What is not read (sClientRandom, sSignature,
sUploadDT, sMrecs, sPrecs) may be anything.
"""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Final

from pipeline.limits import Limits
from pipeline.web.vnhi.codes import MODES, OTHER, TEST, VnhiError, malformed, wrong_type

_ENVELOPE_BYTES: Final = 64 * 1024  # all of a body but sPatData
_BLANKS: Final = str.maketrans("", "", " \t\r\n")
_INSTITUTION: Final = re.compile(r"[0-9A-Z]{10}")
_SAM: Final = re.compile(r"[0-9A-Za-z]{1,12}")
_MOST_OPCODE: Final = 200
_MOST_PARTS: Final = 10_000  # of the JSON: each takes far more memory than bytes


@dataclass(frozen=True)
class Identity:
    """Who a request says it is of, and what for. Nothing of it is proven."""

    institution: str
    sam: str
    type: str


@dataclass(frozen=True)
class UploadRequest:
    """``data`` are the bytes of the document, decoded; empty only for a test."""

    identity: Identity
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class DownloadRequest:
    """``opcode`` as sent, of no more than 200 characters."""

    identity: Identity
    opcode: str = field(repr=False)


class Members:
    """The members of a request's JSON object, by their names in small letters."""

    def __init__(self, body: bytes | bytearray) -> None:
        if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_PARTS:  # base64 has none of these
            raise malformed("JSON")
        try:
            text = body.decode("utf-8-sig")
            pairs = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            raise malformed("JSON") from None
        if not isinstance(pairs, _Pairs):
            raise malformed("JSON")
        self._values: dict[str, object] = {}
        for name, value in pairs:
            if name.lower() in self._values:
                raise VnhiError(OTHER, "JSON 有重複的欄位。", "The JSON has a key twice.")
            self._values[name.lower()] = value

    def text(self, name: str) -> str:
        """The text of a member, empty if there is none. Taken out: it is held only once."""
        value = self._values.pop(name.lower(), "")
        if not isinstance(value, str):
            raise malformed(name)
        return value


class _Pairs(list[tuple[str, object]]):
    """An object of JSON with every pair it has."""


def most_body_bytes(limits: Limits) -> int:
    """Bytes of the largest body worth reading: an upload just over its limit, as base64 in lines
    whose ends JSON escapes."""
    encoded = -(-(limits.upload_bytes + 1) // 3) * 4
    return encoded + encoded // 15 + _ENVELOPE_BYTES


def read_identity(members: Members) -> Identity:
    """Who asks. Raises ``VnhiError``."""
    institution, sam = members.text("sHospId").strip().upper(), members.text("sSamId").strip()
    if not _INSTITUTION.fullmatch(institution):
        raise malformed("sHospId")
    if not _SAM.fullmatch(sam):
        raise malformed("sSamId")
    return Identity(institution, sam, members.text("sType"))


def read_upload(members: Members, identity: Identity) -> UploadRequest:
    """An upload. Raises ``VnhiError``."""
    _check_type(identity)
    data = _decoded(members.text("sPatData"))
    if not data and identity.type != TEST:
        raise malformed("sPatData")
    return UploadRequest(identity, data)


def read_download(members: Members, identity: Identity) -> DownloadRequest:
    """A question for the answer to an upload. Raises ``VnhiError``."""
    _check_type(identity)
    opcode = members.text("sOpcode")
    if not 0 < len(opcode) <= _MOST_OPCODE:
        raise malformed("sOpcode")
    return DownloadRequest(identity, opcode)


def _check_type(identity: Identity) -> None:
    if identity.type not in MODES and identity.type != TEST:
        raise wrong_type()


def _decoded(encoded: str) -> bytes:
    """Base64 in one line, or in many as some libraries write it."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        pass
    try:
        return binascii.a2b_base64(encoded.translate(_BLANKS), strict_mode=True)
    except ValueError:
        raise malformed("sPatData") from None

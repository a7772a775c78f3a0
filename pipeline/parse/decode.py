"""PURE: the bytes of an upload → its encoding and where its body starts, or a Refusal.

Takes the document after unpacking; gives a ``Decoded`` only if every byte is right in its
encoding: Big5 read as CP950, or UTF-8 where the operator allows it. Never guesses an encoding and
never changes a byte, so places found later are places in the upload as received.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.kernels.big5 import first_wrong_big5
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Refusal

Encoding = Literal["big5", "utf-8"]

_BIG5_NAMES = {"big5", "cp950", "ms950", "csbig5"}
_UTF8_NAMES = {"utf-8", "utf8"}
_DECLARATION = re.compile(
    rb"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')"""
    rb"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*"""
    rb"""(?:"(?P<a>[A-Za-z][\w.-]*)"|'(?P<b>[A-Za-z][\w.-]*)'))?"""
    rb"""(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>"""
)
_WIDE = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x00<": "UTF-16",
    b"<\x00": "UTF-16",
    b"\x00\x00": "UTF-32",
}
_PACKED = {b"\x1f\x8b": "gzip", b"PK": "zip"}
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Decoded:
    """A document whose bytes are right: its encoding, and the offset behind the declaration."""

    encoding: Encoding
    body: int


def decode(payload: bytes, *, utf8: bool = False, limits: Limits = LIMITS) -> Decoded | Refusal:
    """Find the encoding of an upload and check every byte against it.

    Refuses with Y014 (not Big5), Y001 (nothing there, a malformed declaration) or Z001 (too large).
    """
    if len(payload) > limits.upload_bytes:
        return refusal_at(payload, "Z001", limits.upload_bytes)
    if not payload or payload.isspace():
        return refusal_at(payload, "Y001", 0, "檔案是空的", "the file is empty")
    if wide := _WIDE.get(payload[:2]):
        return _not_big5(payload, 0, f"檔案是 {wide}", f"the file is {wide}")
    if packed := _PACKED.get(payload[:2]):
        return _not_big5(
            payload, 0, f"檔案是沒有解開的 {packed}", f"the file is {packed}, still packed"
        )
    start = 0
    if payload.startswith(_UTF8_BOM):
        if not utf8:
            return _not_big5(payload, 0, "檔案是 UTF-8（有 BOM）", "the file is UTF-8 (with a BOM)")
        start = len(_UTF8_BOM)
    declared = _declared(payload, start)
    if isinstance(declared, Refusal):
        return declared
    name, body, name_at = declared
    encoding = _allowed(name, utf8, bom=start > 0)
    if encoding is None:
        return _not_big5(payload, name_at, f"宣告的編碼是 {name}", f"the declaration says {name}")
    if payload.isascii():
        return Decoded(encoding, body)
    wrong = _first_wrong(payload, encoding)
    if wrong is not None:
        shown, name = payload[wrong : wrong + 2].hex(" ").upper(), _NAMES[encoding]
        zh, en = f"位元組 {shown} 不是 {name} 字元", f"bytes {shown} are no {name} character"
        if encoding == "big5" and _first_wrong(payload, "utf-8") is None:
            zh, en = f"{zh}，檔案看來是 UTF-8", f"{en}; the file looks like UTF-8"
        return _not_big5(payload, wrong, zh, en)
    return Decoded(encoding, body)


_NAMES: dict[Encoding, str] = {"big5": "Big5", "utf-8": "UTF-8"}


def _declared(payload: bytes, start: int) -> tuple[str, int, int] | Refusal:
    """(declared encoding or "", offset of the body, offset of the encoding's name)."""
    if payload[start : start + 5] != b"<?xml" or payload[start + 5 : start + 6] not in (
        b" ", b"\t", b"\r", b"\n", b"?",
    ):  # fmt: skip
        return "", start, start
    match = _DECLARATION.match(payload, start)
    if match is None:
        return refusal_at(
            payload, "Y001", start, "XML 宣告寫法有誤", "the XML declaration is malformed"
        )
    group = "a" if match["a"] is not None else "b"
    name = match[group]
    return (name or b"").decode("ascii"), match.end(), match.start(group) if name else start


def _allowed(name: str, utf8: bool, *, bom: bool) -> Encoding | None:
    folded = name.lower()
    if bom:
        return "utf-8" if not name or folded in _UTF8_NAMES else None
    if not name or folded in _BIG5_NAMES:
        return "big5"
    return "utf-8" if utf8 and folded in _UTF8_NAMES else None


def _first_wrong(payload: bytes, encoding: Encoding) -> int | None:
    if encoding == "big5":
        wrong = int(first_wrong_big5(np.frombuffer(payload, np.uint8)))
        return None if wrong < 0 else wrong
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _not_big5(payload: bytes, offset: int, zh: str, en: str) -> Refusal:
    return refusal_at(payload, "Y014", offset, zh, en)


def refusal_at(payload: bytes, code: str, offset: int, zh: str = "", en: str = "") -> Refusal:
    """A refusal with line and column of ``offset``: from 1, columns in Big5 characters."""
    line_start = payload.rfind(b"\n", 0, offset) + 1
    column = len(payload[line_start:offset].decode("cp950", "replace")) + 1
    return Refusal(code, offset, payload.count(b"\n", 0, offset) + 1, column, zh, en)

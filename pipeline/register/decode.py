"""The bytes of a registration file → its encoding and where its text begins, or a Refusal.

The document names no encoding. Spreadsheets write Big5 (CP950) or UTF-8, the latter with a BOM or
without: what is valid UTF-8 is read as such, what else is valid CP950 as that, and nothing more is
guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.outcome import Refusal
from pipeline.register.limits import RegisterLimits

Encoding = Literal["ascii", "utf-8", "big5"]
CODECS: dict[Encoding, str] = {"ascii": "ascii", "utf-8": "utf-8", "big5": "cp950"}

_BOM = b"\xef\xbb\xbf"
_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_OTHER_FILES = {
    b"PK\x03\x04": ("Excel 活頁簿或壓縮檔", "an Excel workbook or an archive"),
    b"\xd0\xcf\x11\xe0": ("Excel 97-2003 活頁簿", "an Excel 97-2003 workbook"),
    b"%PDF": ("PDF", "a PDF"),
    b"\x1f\x8b": ("壓縮檔", "an archive"),
}


@dataclass(frozen=True)
class Decoded:
    """A file whose bytes are right: its encoding, and the offset behind a byte order mark."""

    encoding: Encoding
    start: int


def decode(payload: bytes, limits: RegisterLimits) -> Decoded | Refusal:
    """Find the encoding and check every byte. Refuses with R001, R004 or R005."""
    if len(payload) > limits.file_bytes:
        most = f"{limits.file_bytes:,}"
        return Refusal("R001", 0, 1, 1, f"上限 {most} 位元組", f"at most {most} bytes")
    for magic, (zh, en) in _OTHER_FILES.items():
        if payload.startswith(magic):
            return Refusal("R005", 0, 1, 1, f"檔案是 {zh}", f"the file is {en}")
    if wide := _WIDE.get(payload[:2]):
        return Refusal("R004", 0, 1, 1, f"檔案是 {wide}", f"the file is {wide}")
    nul = payload.find(b"\0")
    if nul >= 0:
        return refusal_at(
            payload, "R005", nul, "檔案含有空字元 NUL", "the file holds NUL characters"
        )
    start = len(_BOM) if payload.startswith(_BOM) else 0
    if payload.isascii():
        return Decoded("ascii", start)
    wrong_utf8 = _first_wrong(payload, "utf-8")
    if wrong_utf8 is None:
        return Decoded("utf-8", start)
    wrong_big5 = _first_wrong(payload, "cp950")
    if wrong_big5 is None and not start:
        return Decoded("big5", start)
    wrong = wrong_utf8 if start else max(wrong_utf8, wrong_big5 or 0)
    shown = payload[wrong : wrong + 2].hex(" ").upper()
    return refusal_at(
        payload, "R004", wrong,
        f"位元組 {shown} 不是 UTF-8，也不是 Big5", f"bytes {shown} are neither UTF-8 nor Big5",
    )  # fmt: skip


def _first_wrong(payload: bytes, codec: str) -> int | None:
    try:
        payload.decode(codec)
    except UnicodeDecodeError as error:
        return error.start
    return None


def refusal_at(payload: bytes, code: str, offset: int, zh: str = "", en: str = "") -> Refusal:
    """A refusal with line and byte within the line of ``offset``, both from 1."""
    feeds, returns = payload.count(b"\n", 0, offset), payload.count(b"\r", 0, offset)
    breaks = feeds + returns - payload.count(b"\r\n", 0, offset)
    start = max(payload.rfind(b"\n", 0, offset), payload.rfind(b"\r", 0, offset)) + 1
    return Refusal(code, offset, breaks + 1, offset - start + 1, zh, en)

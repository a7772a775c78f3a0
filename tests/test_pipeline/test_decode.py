"""Encodings: only what is allowed, every byte checked, the offset told."""

from __future__ import annotations

import gzip

import pytest

from pipeline.kernels.big5 import first_wrong_big5
from pipeline.limits import Limits
from pipeline.outcome import Refusal
from pipeline.parse.decode import Decoded, decode

BODY = "<RECS><REC>許功蓋</REC></RECS>"


def declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>'


def refused(payload: bytes, *, utf8: bool = False) -> Refusal:
    answer = decode(payload, utf8=utf8)
    assert isinstance(answer, Refusal)
    return answer


def taken(payload: bytes, *, utf8: bool = False) -> Decoded:
    answer = decode(payload, utf8=utf8)
    assert isinstance(answer, Decoded)
    return answer


@pytest.mark.parametrize("name", ["Big5", "BIG5", "big5", "cp950", "MS950"])
def test_big5_names(name: str) -> None:
    head = declared(name)
    assert taken((head + BODY).encode("cp950")) == Decoded("big5", len(head))


def test_no_declaration_is_big5() -> None:
    assert taken(BODY.encode("cp950")).encoding == "big5"


def test_utf8_only_by_setting() -> None:
    payload = (declared("UTF-8") + BODY).encode()
    assert taken(payload, utf8=True).encoding == "utf-8"
    refusal = refused(payload)
    assert (refusal.code, refusal.offset) == ("Y014", payload.index(b"UTF-8"))


def test_utf8_bom_only_by_setting() -> None:
    payload = b"\xef\xbb\xbf" + BODY.encode()
    assert taken(payload, utf8=True) == Decoded("utf-8", 3)
    assert refused(payload).offset == 0


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-32-le"]
)
def test_wide_encodings_are_refused(encoding: str) -> None:
    """A DOCTYPE written in UTF-16 would pass a byte scan; no such document gets that far."""
    assert refused(("<!DOCTYPE x>" + BODY).encode(encoding), utf8=True).code == "Y014"


@pytest.mark.parametrize(
    "name",
    ["utf-7", "gb18030", "shift_jis", "iso-2022-jp", "hz", "utf-16", "ebcdic-cp-us", "big5-hkscs"],
)
def test_other_declared_encodings_are_refused(name: str) -> None:
    refusal = refused((declared(name) + "<RECS/>").encode(), utf8=True)
    assert refusal.code == "Y014"
    assert name in refusal.detail_zh


def test_utf7_markup_stays_text() -> None:
    """UTF-7 bytes for <REC> are plain text here, never elements."""
    assert taken(b"<RECS>+ADw-REC+AD4-</RECS>").encoding == "big5"


@pytest.mark.parametrize(
    ("tail", "at"),
    [
        (b"\xa4", 0),  # a lead at the end
        (b"\xa4<", 0),  # a lead before markup
        (b"\xa4\xa4\xff", 2),
        (b"\x80", 0),
        (b"\xfa\x40", 0),  # user-defined character
        (b"\xa4\xa4\xb3\x5c\x81\x40", 4),
    ],
)
def test_wrong_big5_is_found_where_it_stands(tail: bytes, at: int) -> None:
    head = (declared("Big5") + "\n<RECS>\n").encode()
    refusal = refused(head + tail)
    assert (refusal.code, refusal.offset, refusal.line) == ("Y014", len(head) + at, 3)


def test_column_counts_characters() -> None:
    refusal = refused("<RECS>\n許功".encode("cp950") + b"\xff")
    assert (refusal.line, refusal.column) == (2, 3)


def test_big5_check_agrees_with_the_codec() -> None:
    """Every pair of bytes, and every byte before an ASCII one."""
    import numpy as np

    for lead in range(256):
        for trail in range(256):
            pair = bytes((lead, trail))
            try:
                pair.decode("cp950")
                expected = -1
            except UnicodeDecodeError as error:
                expected = error.start
            assert first_wrong_big5(np.frombuffer(pair, np.uint8)) == expected, pair


@pytest.mark.parametrize("payload", [b"", b"  \r\n"])
def test_nothing(payload: bytes) -> None:
    assert refused(payload).code == "Y001"


@pytest.mark.parametrize(
    "head",
    [b"<?xml?>", b"<?xml version='1.1'?>", b"<?xml encoding='Big5'?>", b"<?xml version=1.0?>"],
)
def test_malformed_declaration(head: bytes) -> None:
    assert refused(head + b"<RECS/>").code == "Y001"


def test_size_limit() -> None:
    limits = Limits(upload_bytes=20)
    assert isinstance(decode(b"<RECS>" + b" " * 14, limits=limits), Decoded)
    refusal = decode(b"<RECS>" + b" " * 15, limits=limits)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "Z001"


def test_what_a_wrong_file_is_is_told() -> None:
    """Bytes of another encoding mean little to whoever has to save the file again."""
    assert "看來是 UTF-8" in refused(BODY.encode()).detail_zh
    assert "UTF-8" not in refused((BODY + "許").encode() + b"\xff").detail_zh
    assert "gzip" in refused(gzip.compress(BODY.encode())).detail_zh
    assert "zip" in refused(b"PK\x03\x04" + BODY.encode()).detail_en

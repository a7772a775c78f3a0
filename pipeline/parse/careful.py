"""PURE: the careful way from bytes to rows: lxml for values and well-formedness, places from tags.

Slow, plain, and the definition of what an upload is: the fast way must agree with it. Streams, so
memory is bounded by rows, not by a tree. Every protection is on: no DTD, no entities, no network,
libxml2's own limits kept; a DOCTYPE is refused before libxml2 sees the document.
"""

from __future__ import annotations

import re
from codecs import iterdecode
from typing import Any, cast

from lxml import etree

from pipeline.limits import Limits
from pipeline.outcome import Refusal
from pipeline.parse.builder import Builder, CutOff, Refused
from pipeline.parse.decode import Decoded, refusal_at
from pipeline.parse.diagnose import diagnose
from pipeline.parse.rows import Rows
from pipeline.parse.tokens import tags
from schemas import Version

_PROLOG = re.compile(rb"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_CHUNK = 1 << 20
_MARKUP_TOO_LONG = ("標籤或註解過長", "a tag or a comment is too long")
_LONGEST_MARKUP = 12 << 20  # libxml2's own limit is 10 million bytes


def parse_lxml(
    payload: bytes, decoded: Decoded, limits: Limits, version: Version, *, start: int, upload: int
) -> Rows | Refusal:
    """Rows of one document that stands at ``start`` of the batch's buffer, or why it is none."""
    prolog = _PROLOG.match(payload, decoded.body)
    at = prolog.end() if prolog else decoded.body
    if payload.startswith(b"<!DOCTYPE", at):
        return refusal_at(payload, "Y001", at, "不接受 DOCTYPE", "a DOCTYPE is not accepted")
    codec = "cp950" if decoded.encoding == "big5" else "utf-8"
    builder = Builder(payload, tags(payload, decoded.body, codec), limits, codec, version)
    parser = etree.XMLParser(
        target=cast(Any, builder),
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    data = _utf8(payload, decoded.body, codec)
    fed = len(data)
    try:
        fed = _feed(parser, builder, data)
        parser.close()
        builder.finish()
    except Refused as refused:
        return refused.refusal
    except CutOff:
        return diagnose(payload, decoded, "a tag without end", len(payload), cut_off=True)
    except etree.XMLSyntaxError as error:
        place = _place(data[:fed], error, codec)
        if fed < len(data) and place >= _size(data[:fed], codec) - 1:
            return refusal_at(payload, "Z005", builder.stop, *_MARKUP_TOO_LONG)
        at = min(decoded.body + place, len(payload))
        cut_off = vars(error)["code"] == etree.ErrorTypes.ERR_TAG_NOT_FINISHED
        return diagnose(payload, decoded, error.msg or "", at, cut_off=cut_off)
    return builder.rows(start, upload)


def _utf8(payload: bytes, body: int, codec: str) -> bytes:
    """The document in UTF-8, piece by piece, since other threads wait for a whole one."""
    pieces = (payload[at : at + _CHUNK] for at in range(body, len(payload), _CHUNK))
    return b"".join(text.encode() for text in iterdecode(pieces, codec))


def _feed(parser: etree.XMLParser, builder: Builder, data: bytes) -> int:
    """Feed a document; gives how much of it. libxml2 is left waiting for the end of a tag (it would
    keep all its attributes), of a comment or of a reference no longer than any may be."""
    silent, events = 0, 0
    for chunk in range(0, len(data), _CHUNK):
        parser.feed(data[chunk : chunk + _CHUNK])
        silent = silent + _CHUNK if builder.events == events else 0
        events = builder.events
        if silent > _LONGEST_MARKUP:
            return min(chunk + _CHUNK, len(data))
    return len(data)


def _place(data: bytes, error: etree.XMLSyntaxError, codec: str) -> int:
    """Byte offset in the document's own encoding of lxml's (line, column)."""
    line, column = error.position
    begin = _line_start(data, line)
    if begin < 0:
        return _size(data, codec)
    return _size(data[: begin + max(column - 1, 0)], codec)


def _size(data: bytes, codec: str) -> int:
    """Bytes that a piece of the document has in its own encoding."""
    return len(data.decode("utf-8", "ignore").encode(codec, "replace"))


def _line_start(data: bytes, line: int) -> int:
    """Where a line (from 1) begins; -1 if there are not so many."""
    at, left = 0, line - 1
    while left and (found := data.count(b"\n", at, at + _CHUNK)) < left and at < len(data):
        at, left = at + _CHUNK, left - found
    for _ in range(left):
        at = data.find(b"\n", at) + 1
        if at == 0:
            return -1
    return at

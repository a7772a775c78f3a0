"""PURE: the tags of a document with their places: a plain tokenizer over its bytes.

Knows nothing of well-formedness: lxml judges that. Markup can be found bytewise in Big5 and UTF-8
alike, with one exception: the second byte of a Big5 pair may look like ``]``, so pairs are kept
together where a CDATA section's end is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


def _markup(cdata: bytes) -> re.Pattern[bytes]:
    """Every repetition is possessive and what has no end runs to the end of the document, so no
    byte is looked at more than a few times and none is remembered, however hostile the document.
    All begins with the same byte, so that what lies between is passed over as fast as memory goes:
    nobody else can run while the expression does.
    """
    return re.compile(
        rb"""<(?:!--.*?-->|!--.*+|(?P<cdata>!\[CDATA\[""" + cdata + rb"""\]\]>)|!\[CDATA\[.*+"""
        rb"""|(?P<pi>\?).*?\?>|\?.*+|(?P<doctype>!DOCTYPE)|/(?P<close>[^\s<>/]++)\s*+>"""
        rb"""|(?P<open>[^\s<>/!?"']++)"""
        rb"""(?P<attributes>(?:[^"'<>/]++|/(?!>)|"[^"]*+"|'[^']*+')*+)(?P<empty>/?)>)""",
        re.DOTALL,
    )


_MARKUP = _markup(rb"(?:[^\]\x81-\xfe]++|[\x81-\xfe].|\](?!\]>))*+")
_MARKUP_UTF8 = _markup(rb"(?:[^\]]++|\](?!\]>))*+")
_BLANK = b" \t\r\n"
_NAMES_KEPT = 500


class Tag(NamedTuple):
    """One tag: ``kind`` is open, close, empty, pi or doctype; ``start``/``stop`` byte offsets.

    ``text_start``/``text_stop`` span the first text that is not blank between the tag before and
    this one (both -1 where there is none).
    """

    kind: str
    name: str
    start: int
    stop: int
    attributes: bool
    text_start: int
    text_stop: int


def tags(data: bytes, first: int, codec: str) -> Iterator[Tag]:
    """Every tag of ``data`` from byte ``first`` on.

    Comments are passed over; a CDATA section counts as text that is not blank.
    """
    names: dict[bytes, str] = {}
    since = first
    text_start = text_stop = -1
    markup = _MARKUP if codec == "cp950" else _MARKUP_UTF8
    for match in markup.finditer(data, first):
        start, stop = match.span()
        if since < start and text_start < 0:
            text_start, text_stop = _text_between(data, since, start)
        since = stop
        kind = match.lastgroup
        if kind == "empty":  # the last group of an opening tag
            raw, attributes, slash = match.group("open", "attributes", "empty")
            kind = "empty" if slash else "open"
        elif kind == "cdata" and text_start < 0:
            text_start, text_stop = start, stop
            continue
        elif kind is None or kind == "cdata":
            continue
        else:
            raw, attributes = match[kind], b""
        name = names.get(raw)
        if name is None:
            name = raw.decode(codec)
            if len(names) < _NAMES_KEPT:
                names[raw] = name
        has = bool(attributes) and not attributes.isspace()
        yield Tag(kind, name, start, stop, has, text_start, text_stop)
        text_start = text_stop = -1


def _text_between(data: bytes, start: int, stop: int) -> tuple[int, int]:
    between = data[start:stop]
    if between.isspace():
        return -1, -1
    inner = between.strip(_BLANK)
    lead = start + len(between) - len(between.lstrip(_BLANK))
    return lead, lead + len(inner)

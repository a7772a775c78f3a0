"""PURE: the tags of a document with their places: a plain tokenizer.

Knows nothing of well-formedness: lxml judges that. Works on decoded text, because the second byte
of a Big5 pair may look like ``]``, and counts bytes as it goes, so that places are places in the
upload as received.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_MARKUP = re.compile(
    r"""<!--.*?-->|(?P<cdata><!\[CDATA\[.*?\]\]>)|(?P<pi><\?).*?\?>|(?P<doctype><!DOCTYPE)"""
    r"""|</(?P<close>[^\s<>/]+)\s*>"""
    r"""|<(?P<open>[^\s<>/!?]+)(?P<attributes>(?:[^"'<>/]|/(?!>)|"[^"]*"|'[^']*')*)(?P<empty>/?)>""",
    re.DOTALL,
)
_BLANK = " \t\r\n"


class Tag(NamedTuple):
    """One tag: ``kind`` is open, close, empty, pi or doctype; ``start``/``stop`` byte offsets.

    ``text_start``/``text_stop`` span the first text that is not blank between the tag before and
    this one (both -1 where there is none).
    """

    kind: str
    name: str
    start: int
    stop: int
    attributes: bool = False
    text_start: int = -1
    text_stop: int = -1


class _Bytes:
    """Byte offsets of ascending positions in a text."""

    def __init__(self, text: str, encoding: str, first: int) -> None:
        self._text, self._encoding = text, encoding
        self._narrow = text.isascii()
        self._position, self._byte = 0, first

    def at(self, position: int) -> int:
        passed = self._text[self._position : position]
        self._byte += len(passed) if self._narrow else len(passed.encode(self._encoding))
        self._position = position
        return self._byte


def tags(text: str, encoding: str, first: int) -> Iterator[Tag]:
    """Every tag of ``text``, whose first character is byte ``first`` of the upload.

    Comments are passed over; a CDATA section counts as text that is not blank.
    """
    place = _Bytes(text, encoding, first)
    since = 0
    stray = (-1, -1)
    for match in _MARKUP.finditer(text):
        if stray[0] < 0:
            stray = _text_between(text, since, match.start(), place)
        start, stop = place.at(match.start()), place.at(match.end())
        since = match.end()
        if match["cdata"] and stray[0] < 0:
            stray = (start, stop)
        tag = _tag(match, start, stop)
        if tag is not None:
            yield tag._replace(text_start=stray[0], text_stop=stray[1])
            stray = (-1, -1)


def _text_between(text: str, start: int, stop: int, place: _Bytes) -> tuple[int, int]:
    between = text[start:stop]
    inner = between.strip(_BLANK)
    if not inner:
        return -1, -1
    lead = start + len(between) - len(between.lstrip(_BLANK))
    return place.at(lead), place.at(lead + len(inner))


def _tag(match: re.Match[str], start: int, stop: int) -> Tag | None:
    if name := match["open"]:
        kind = "empty" if match["empty"] else "open"
        return Tag(kind, name, start, stop, bool(match["attributes"].strip(_BLANK)))
    if name := match["close"]:
        return Tag("close", name, start, stop)
    if match["pi"]:
        return Tag("pi", "?", start, stop)
    if match["doctype"]:
        return Tag("doctype", "!DOCTYPE", start, stop)
    return None

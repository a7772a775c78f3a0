"""The XML of a record for people: as sent, or with what identifies a person masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.report.masking import ORDER_CODES, STAR, masked, without_ids
from pipeline.report.printable import printable
from schemas import every_field

_NOT_SHOWN: Final = "（不顯示 not shown）"
_OWN: Final = tuple(
    name
    for name, field in every_field().items()
    if field.personal or masked(name, "x") is None or name in ORDER_CODES
)
_PART: Final = re.compile(
    rf"(?P<open><(?P<name>{'|'.join(_OWN)})(?:\s[^>]*)?>)(?P<value>.*?)(?P<close></(?P=name)\s*>)"
    r"|<[^<>]*>|[^<>]+|[<>]",
    re.DOTALL,
)
_TEXT: Final = re.compile(r"[^<>]+")
_UNLIMITED: Final = 1 << 31


@dataclass(frozen=True)
class Part:
    """A stretch of a record's XML, from character ``start`` to ``stop``, and what is shown of it.

    What is masked as a whole is one part.
    """

    start: int
    stop: int
    shown: str


def masked_parts(xml: str) -> Iterator[Part]:
    """The XML end to end, without ids, birth dates and signatures."""
    for found in _PART.finditer(xml):
        start, stop = found.span()
        if found["open"]:
            inner = found.start("value"), found.end("value")
            yield Part(start, inner[0], _TEXT.sub(_without_ids, found["open"]))
            yield Part(*inner, _hidden(found["name"], found["value"]))
            yield Part(inner[1], stop, _TEXT.sub(_without_ids, found["close"]))
        else:
            yield Part(start, stop, without_ids(found[0]))


def record_xml(xml: str, *, clear: bool) -> str:
    """A record's XML, decoded; unless ``clear`` without ids, birth dates and signatures."""
    return xml if clear else "".join(part.shown for part in masked_parts(xml))


def screen_lines(xml: str) -> list[str]:
    """The lines of XML for a terminal, which none of its characters can steer."""
    return [printable(line, _UNLIMITED) for line in xml.replace("\r\n", "\n").split("\n")]


def _without_ids(text: re.Match[str]) -> str:
    return without_ids(text[0])


def _hidden(name: str, value: str) -> str:
    """A value whose field decides what may be shown of it."""
    if not value:
        return ""
    if "<" in value or "&" in value:  # what it says depends on its markup
        return STAR * len(value)
    shown = masked(name, value)
    return _NOT_SHOWN if shown is None else shown

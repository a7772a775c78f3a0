"""The XML of a record for people: as sent, or with what identifies a person masked."""

from __future__ import annotations

import re
from typing import Final

from pipeline.report.masking import STAR, masked, without_ids
from pipeline.report.printable import printable
from schemas import every_field

_NOT_SHOWN: Final = "（不顯示 not shown）"
_SECRET: Final = tuple(
    name for name, field in every_field().items() if field.personal or masked(name, "x") is None
)
_ELEMENT: Final = re.compile(
    rf"(?P<open><(?P<name>{'|'.join(_SECRET)})(?:\s[^>]*)?>)(?P<value>.*?)(?P<close></(?P=name)\s*>)",
    re.DOTALL,
)
_TEXT: Final = re.compile(r"[^<>]+")
_UNLIMITED: Final = 1 << 31


def record_xml(xml: str, *, clear: bool) -> str:
    """A record's XML, decoded; unless ``clear`` without ids, birth dates and signatures."""
    if clear:
        return xml
    return _TEXT.sub(lambda text: without_ids(text[0]), _ELEMENT.sub(_hidden, xml))


def screen_lines(xml: str) -> list[str]:
    """The lines of XML for a terminal, which none of its characters can steer."""
    return [printable(line, _UNLIMITED) for line in xml.replace("\r\n", "\n").split("\n")]


def _hidden(found: re.Match[str]) -> str:
    value = found["value"]
    if "<" in value or "&" in value:  # what it says depends on its markup
        shown: str | None = STAR * len(value)
    else:
        shown = masked(found["name"], value)
    return f"{found['open']}{_NOT_SHOWN if shown is None else shown}{found['close']}"

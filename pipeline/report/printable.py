"""Values made fit to print: bounded, and unable to steer a terminal or break a line.

XML lets a sender write C1 controls and bidirectional overrides as character references; printed
raw they repaint a screen or reverse what stands there.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MAX_SHOWN_CHARACTERS = 256
ELLIPSIS = "…"


def shortened(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """At most ``limit`` characters; a cut is visible."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def printable(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """``shortened``, on one line, with every invisible character written as ``\\u….``."""
    short = shortened(text, limit)
    if short.isascii() and short.isprintable():
        return short
    return "".join(map(_visible, short))


@lru_cache(4096)
def _visible(character: str) -> str:
    if character in "\t\r\n":
        return " "
    if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"):
        return f"\\u{ord(character):04x}"
    return character

"""Text → Big5 bytes as the insurer's tools read them (CP950)."""

from __future__ import annotations

import codecs

REPLACEMENT = "□"


def big5(text: str) -> bytes:
    """CP950 bytes; a character it lacks becomes □, so that its loss is seen."""
    return text.encode("cp950", _HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return REPLACEMENT * (error.end - error.start), error.end


_HANDLER = "pipeline.report.big5"
codecs.register_error(_HANDLER, _replace)

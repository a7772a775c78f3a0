"""What visit types (M07, A23) are called: document 001's words where it has them."""

from __future__ import annotations

from typing import Final

from rules.codes import code_names

_DOCUMENT_001: Final = {
    "06": "門診轉診就醫",
    "AA": "同一療程項目以6次以內治療為限者",
}
_LISTS: Final = ("M07_v1_only", "M07")


def visit_type_names() -> dict[str, str]:
    """Code → name in 繁體中文, of every visit type known."""
    return {code: visit_type_name(code)[0] for listed in _LISTS for code in code_names(listed)}


def visit_type_name(code: str) -> tuple[str, str]:
    """The name in 繁體中文 and English; the code itself where nothing is known of it."""
    for listed in _LISTS:
        known = code_names(listed).get(code)
        if known is not None:
            return _DOCUMENT_001.get(code, known[0]), known[1].partition(" (")[0].partition(";")[0]
    return code, code

"""What may be shown of a value that identifies a person.

A treatment id holds its patient's id in characters 7-13 and a moment in 15-20, so it is as
personal as the id itself; only its institution part is shown. What a sender typed into a field
may be something else than the field's name promises: whatever isn't of the expected shape is
masked harder, and a person's id is masked wherever it turns up.
"""

from __future__ import annotations

import re
import unicodedata

from schemas import every_field

STAR = "*"
_SPECIAL_ID = re.compile(r"MISS0{16}|9{20}|SM0{18}|[A-Z][0-9]{3}0{16}")
_TREATMENT_ID = re.compile(r"[0-9A-Za-z]{20}")
_ID_ANYWHERE = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Z]{20}(?![0-9A-Za-z])|(?P<head>[A-Za-z][0-9A-Da-d])(?P<tail>[0-9]{8,})"
)
_DATE = re.compile(r"[0-9]{7}")
_HIDDEN = re.compile(r"[^@.]")  # an e-mail's form is shown, as document 002 shows it
_NEVER_SHOWN = frozenset({"M14", "D11", "A22", "A79"})
ORDER_CODES = frozenset({"D06", "A73"})
_DRUG = re.compile(r"[A-Z][A-D][0-9]{8}")
"""The code of a drug. Old resident ids have this form too; in the place of an order's code it is
taken for what it says, or nobody could read which drug is wrong."""


def masked(field: str, value: str | None) -> str | None:
    """The value as anybody may see it; ``None`` if absent or a signature (M14, D11; A22, A79).

    ``field`` is a field id or an element name (then only person ids are masked).
    """
    if value is None or field in _NEVER_SHOWN:
        return None
    if field in ORDER_CODES and _DRUG.fullmatch(value):
        return value
    known = every_field().get(field)
    if known is None or not known.personal:
        return without_ids(value)
    if known.kind == "treatment_id":
        return _mask_treatment_id(value)
    if known.kind == "email":
        return value[:1] + _HIDDEN.sub(STAR, value[1:])
    if known.kind == "date":
        return value[:3] + STAR * 4 if _DATE.fullmatch(value) else STAR * len(value)
    return _mask_middle(value)


def without_ids(text: str) -> str:
    """Free text, such as the name of a file or of an element, with the ids in it masked."""
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", text)
        if _ID_ANYWHERE.search(folded):
            text = folded
    return _ID_ANYWHERE.sub(_mask_found, text)


def _mask_found(match: re.Match[str]) -> str:
    """A treatment id, or a person's id and whatever digits stand right behind it."""
    head, tail = match["head"], match["tail"]
    if head is None:
        return _mask_treatment_id(match[0])
    shown = tail[6:] if len(tail) == 8 else ""
    return head + STAR * (len(tail) - len(shown)) + shown


def _mask_treatment_id(value: str) -> str:
    if _SPECIAL_ID.fullmatch(value):
        return value
    if _TREATMENT_ID.fullmatch(value):
        return value[:6] + STAR * 14
    return _mask_middle(value)


def _mask_middle(value: str) -> str:
    """At most two characters stay at either end, and never more than two fifths of all."""
    shown = min(2, len(value) // 5)
    return value[:shown] + STAR * (len(value) - 2 * shown) + value[len(value) - shown :]

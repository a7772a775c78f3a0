"""What one cell's text means, the slow and obvious way. ``None`` is unknown throughout."""

from __future__ import annotations

import itertools
import re
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache

from rules.codes import closed_list
from rules.ops import EXACT_LENGTH, LONGEST_NUMBER, MAY_HOLD_CHINESE
from schemas import every_field

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LETTER_VALUES = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))

Text = str | None
Value = int | Fraction | date | datetime


def filled(text: Text) -> bool:
    return text is not None and text.strip(" \t\r\n") != ""


def malformed(field: str, text: Text, aspect: str = "any") -> bool:
    fault = fault_of(field, text)
    return fault is not None and aspect in (fault, "any")


@lru_cache(10_000)
def fault_of(field: str, text: Text) -> str | None:
    """``chinese``, ``length`` or ``type``; ``None`` for a value in form and for a blank one."""
    if text is None or not filled(text):
        return None
    kind = every_field()[field].kind
    if field not in MAY_HOLD_CHINESE and any(ord(character) > 127 for character in text):
        return "chinese"
    if _wrong_length(field, text):
        return "length"
    if kind == "number":
        return None if re.fullmatch("[0-9]+", text) else "type"
    if kind == "date":
        return None if as_date(text) else "type"
    if kind == "datetime":
        return None if as_datetime(text) else "type"
    if kind == "code" or not every_field()[field].shape:
        return None
    return None if re.fullmatch(every_field()[field].shape.strip("^$"), text) else "type"


def _wrong_length(field: str, text: str) -> bool:
    kind, longest = every_field()[field].kind, every_field()[field].max_length
    if kind in EXACT_LENGTH:
        return len(text) != EXACT_LENGTH[kind]
    if longest is None:
        return kind == "number" and len(text) > LONGEST_NUMBER
    return len(text) > longest


def known_text(field: str, text: Text) -> Text:
    """The text where it can be relied on, ``None`` where it is blank or malformed."""
    return text if filled(text) and fault_of(field, text) is None else None


def unlisted(field: str, text: Text) -> bool:
    codes = closed_list(field)
    assert codes is not None, field
    return filled(text) and text not in codes


def as_date(text: str) -> date | None:
    if not re.fullmatch("[0-9]{7}", text) or text[:3] == "000":
        return None
    try:
        return date(int(text[:3]) + 1911, int(text[3:5]), int(text[5:7]))
    except ValueError:
        return None


def as_datetime(text: str) -> datetime | None:
    if not re.fullmatch("[0-9]{13}", text):
        return None
    day = as_date(text[:7])
    if day is None:
        return None
    try:
        return datetime(
            day.year, day.month, day.day, int(text[7:9]), int(text[9:11]), int(text[11:13])
        )
    except ValueError:
        return None


def value(field: str, text: Text) -> Value | None:
    """Number (decimals as fractions), day or moment, by the field's kind."""
    known = known_text(field, text)
    if known is None:
        return None
    match every_field()[field].kind:
        case "number":
            return int(known)
        case "decimal":
            return Fraction(known)
        case "date":
            return as_date(known)
        case _:
            return as_datetime(known)


def special(field: str, text: Text) -> bool | None:
    known = known_text(field, text)
    if known is None:
        return None
    return bool(re.fullmatch("SM0{18}|MISS0{16}|9{20}|[A-Z][0-9]{3}0{16}", known))


def person_code(person: str) -> str:
    """Characters 7-13 of a treatment id: two as they are, the next seven digits in base 34."""
    rest, digits = int(person[2:9]), ""
    for _ in range(5):
        rest, digit = divmod(rest, 34)
        digits = ALPHABET[digit] + digits
    return person[:2] + digits


def moment_code(moment: datetime) -> str:
    """Characters 15-20 of a treatment id: ROC year less 102, and the seconds of the year."""
    seconds, digits = int((moment - datetime(moment.year, 1, 1)).total_seconds()), ""
    for _ in range(5):
        seconds, digit = divmod(seconds, 34)
        digits = ALPHABET[digit] + digits
    return ALPHABET[(moment.year - 1911 - 102) % 34] + digits


def holds_person(field: str, text: Text, person_field: str, person: Text) -> bool | None:
    known, known_person = known_text(field, text), known_text(person_field, person)
    if known is None or known_person is None or special(field, text):
        return None
    if known_person[0] in "IO":
        return None
    return known[6:13] == person_code(known_person)


def moment_of(field: str, text: Text) -> datetime | None:
    known = known_text(field, text)
    if known is None or special(field, text):
        return None
    year = 1911 + 102 + ALPHABET.index(known[14])
    seconds = 0
    for character in known[15:20]:
        seconds = seconds * 34 + ALPHABET.index(character)
    return datetime(year, 1, 1) + timedelta(seconds=seconds)


def person_check(field: str, text: Text) -> bool | None:
    known = known_text(field, text)
    if known is None or not re.fullmatch("[A-Z][1289A-D][0-9]{8}", known):
        return None
    letter = LETTER_VALUES[known[0]]
    second = LETTER_VALUES[known[1]] % 10 if known[1].isalpha() else int(known[1])
    digits = [second] + [int(digit) for digit in known[2:]]
    weights = (8, 7, 6, 5, 4, 3, 2, 1, 1)
    total = letter // 10 + 9 * (letter % 10)
    total += sum(weight * digit for weight, digit in zip(weights, digits, strict=True))
    return total % 10 == 0


def institution_check(field: str, text: Text) -> bool | None:
    known = known_text(field, text)
    if known is None:
        return None
    values = [int(c) if c.isdigit() else ord(c) - ord("A") + 10 for c in known]
    return sum(n * v for n, v in enumerate(values[:9], start=1)) % 10 == values[9]


def sex(field: str, text: Text) -> int | None:
    known = known_text(field, text)
    if known is None:
        return None
    return {"1": 1, "8": 1, "A": 1, "C": 1, "2": 2, "9": 2, "B": 2, "D": 2}.get(known[1])


def letter(field: str, text: Text) -> int | None:
    known = known_text(field, text)
    if known is None or not ("A" <= known[0].upper() <= "Z") or ord(known[0]) > 127:
        return None
    return ord(known[0].upper()) - ord("A") + 1


def digits(field: str, text: Text) -> list[int] | None:
    known = known_text(field, text)
    if known is None or not re.fullmatch("[0-9]+", known):
        return None
    return [int(digit) for digit in known]


def consecutive(field: str, text: Text) -> bool | None:
    found = digits(field, text)
    if found is None:
        return None
    return all(later == earlier + 1 for earlier, later in itertools.pairwise(found))

"""Identifiers that hold: persons, institutions and treatment ids with right check digits.

Written from the published formulas alone, not through the rule engine, since the generator's
expectations are what the engine is tested against.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from pipeline.generate.moments import year_and_second

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I and no O: 34 characters
MISSING = "MISS" + "0" * 16
NINES = "9" * 20
BEFORE_GO_LIVE = "SM" + "0" * 18
TYPHOON = "C001" + "0" * 16

_LETTER_VALUES = {c: 10 + i for i, c in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_TRIPLES = [pair + c for pair in _PAIRS for c in ALPHABET]
_SERVICE = "3"  # character 14 of every known treatment id
_UNWRITABLE = str.maketrans("IO", "10")  # how such persons are really written is not public


def base34(number: int) -> str:
    """Five characters; ``number`` below 34 ** 5."""
    high, low = divmod(number, len(_TRIPLES))
    return _PAIRS[high] + _TRIPLES[low]


def person_id(letter: str, second: str, serial: int) -> str:
    """A national (second character 1, 2) or resident (8, 9, A-D) id from seven digits."""
    digits = f"{serial:07d}"
    value = _LETTER_VALUES[letter]
    lead = int(second) if second.isdigit() else _LETTER_VALUES[second] % 10
    total = value // 10 + 9 * (value % 10) + 8 * lead
    total += sum(w * int(d) for w, d in zip((7, 6, 5, 4, 3, 2, 1), digits, strict=True))
    return f"{letter}{second}{digits}{-total % 10}"


def institution_code(nine: str) -> str:
    """An institution code from its first nine characters: the weighted sum is the last digit."""
    total = sum(i * int(c, 36) for i, c in enumerate(nine, start=1))
    return f"{nine}{total % 10}"


def wrong_check_digit(code: str) -> str:
    """The same person or institution code with another last digit."""
    return f"{code[:-1]}{(int(code[-1]) + 1) % 10}"


@cache
def institution_mark(institution: str) -> str:
    """Characters 1-6 of its treatment ids. How they hold the institution is not public."""
    number = int.from_bytes(sha256(institution.encode()).digest()[:4], "big")
    return base34(number % 34**5) + ALPHABET[number % 34]


def person_mark(person: str) -> str:
    """Characters 7-13: two characters of the id, then its seven digits in base 34."""
    return person[:2].translate(_UNWRITABLE) + base34(int(person[2:9]))


def treatment_id(institution: str, person: str, moment: int) -> str:
    """The 20 characters for a person at an institution at a second (``moments``)."""
    roc_year, second = year_and_second(moment)
    tail = ALPHABET[(roc_year - 102) % 34] + base34(second)
    return institution_mark(institution) + person_mark(person) + _SERVICE + tail

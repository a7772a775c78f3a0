"""The made-up country: its institutions, and the persons insured there.

Nobody here is real: institution codes have the county digits 99, ids a serial beginning with 9.
Persons come from an index by arithmetic, so millions of them need no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from pipeline.generate.ids import institution_code, person_id
from pipeline.generate.moments import date_text
from pipeline.generate.record import Person
from pipeline.generate.style import COMMON, STYLES, Style

Kind = Literal["hospital", "western", "dental", "chinese", "pharmacy"]

_PREFIXES: dict[Kind, tuple[str, ...]] = {
    "hospital": ("01", "11", "15"),
    "western": ("35",),
    "dental": ("37",),
    "chinese": ("38", "39"),
    "pharmacy": ("59",),
}
_SHARES: dict[Kind, tuple[float, float]] = {  # share of institutions, median size
    "hospital": (0.016, 60.0),
    "western": (0.39, 1.0),
    "dental": (0.22, 0.4),
    "chinese": (0.13, 0.7),
    "pharmacy": (0.244, 0.9),
}
_FIRST: tuple[Kind, ...] = ("western", "hospital", "pharmacy", "chinese", "dental")
_LETTERS = "AAAAABBBCDDDEEEFFFFFGHHHHIJJKLMNNOPQQRSTTUVXWZ"
_SECONDS = "12" * 23 + "89ABCD"


@dataclass(frozen=True)
class Institution:
    """One institution: who it is, how big (``weight``), and how its vendor writes.

    ``new_contract`` ones upload as G000; ``sam`` is the security module's number (M01).
    """

    code: str
    kind: Kind
    sam: str
    staff: tuple[str, ...]
    weight: float
    style: Style
    new_contract: bool

    @property
    def provider_category(self) -> str:
        """M56, "" for pharmacies, which leave it out."""
        categories = {"hospital": "12", "western": "11", "dental": "13", "chinese": "14"}
        return categories.get(self.kind, "")


def institutions(count: int, rng: Random) -> list[Institution]:
    """``count`` different institutions; the first five are of the five kinds."""
    kinds = list(_SHARES)
    shares = [share for share, _ in _SHARES.values()]
    drawn = [*_FIRST, *rng.choices(kinds, shares, k=max(0, count - len(_FIRST)))][:count]
    codes: set[str] = set()
    return [_institution(kind, codes, rng) for kind in drawn]


def _institution(kind: Kind, codes: set[str], rng: Random) -> Institution:
    code = _code(kind, rng)
    while code in codes:
        code = _code(kind, rng)
    codes.add(code)
    weight = _SHARES[kind][1] * rng.lognormvariate(0.0, 0.8)
    staff = tuple(practitioner(rng) for _ in range(min(40, 1 + int(weight))))
    style = rng.choice(STYLES[:COMMON] if rng.random() < 0.85 else STYLES[COMMON:])
    new = kind in ("western", "chinese") and rng.random() < 0.04
    return Institution(code, kind, f"0000{code[:8]}", staff, weight, style, new)


def _code(kind: Kind, rng: Random) -> str:
    seventh = rng.choice("ABCDEF") if rng.random() < 0.03 else str(rng.randrange(10))
    prefix = rng.choice(_PREFIXES[kind])
    return institution_code(f"{prefix}99{rng.randrange(100):02d}{seventh}{rng.randrange(100):02d}")


def practitioner(rng: Random) -> str:
    """The id of somebody who treats: M06."""
    return person_id(rng.choice("ABDFHKMNT"), rng.choice("12"), 9_000_000 + rng.randrange(10**6))


@dataclass(frozen=True)
class Population:
    """``size`` insured persons, by index. ``newest`` is the last day anybody was born."""

    size: int
    seed: int
    newest: int

    def person(self, index: int) -> Person:
        """The same person for the same index, always."""
        mixed = (index * 0x9E3779B97F4A7C15 + self.seed * 0xD1B54A32D192ED03 + 1) % 2**64
        mixed ^= mixed >> 29
        letter = _LETTERS[mixed % len(_LETTERS)]
        second = _SECONDS[(mixed >> 12) % len(_SECONDS)]
        serial = 9_000_000 + (index * 7919 + self.seed) % 1_000_000
        born = self.newest - 100 - (mixed >> 24) % 33_000
        card = f"9{(mixed >> 20) % 10**11:011d}"
        return Person(person_id(letter, second, serial), date_text(born), card)

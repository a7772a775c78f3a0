"""A record as the slow merge sees it: its fields as text, and what they say of prescriptions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
IDENTIFIER = re.compile(f"[{ALPHABET}]{{20}}")
SPECIAL = re.compile("SM0{18}|MISS0{16}|[A-Z][0-9]{3}0{16}|9{20}")
REFILL_KINDS = {"C": ("M26", "M33"), "F": ("M29", "M34")}
"""Kind -> the field that says how many refills there are, and which are dispensed."""
ORDINARY_KINDS = {"A": "M24", "B": "M25", "D": "M27", "E": "M28"}
"""Kind -> the field that says how often it may be, or is, dispensed."""
MOST_REFILLS = 8

Fields = dict[str, str | None]


@dataclass(frozen=True)
class Visit:
    """A version of a visit: who sent it, from where in which upload, and what it says."""

    institution: str
    sequence: int
    record: int
    received_at: datetime
    fields: Fields
    orders: tuple[Fields, ...] = ()
    upload: str = ""
    place: tuple[int, int] = (0, 0)

    def text(self, name: str) -> str:
        """A field's text; "" where it is absent or empty."""
        return self.fields[name] or ""

    def number(self, name: str) -> int:
        """A field as a number; 0 where it is none."""
        return int(self.text(name)) if self.text(name).isdigit() else 0

    @property
    def key(self) -> str:
        """The treatment id; where that identifies nothing, with institution, person and moment."""
        if identifies(self.text("M15")):
            return self.text("M15")
        return "".join(self.text(name) for name in ("M15", "M05", "M03", "M11"))

    @property
    def day(self) -> date | None:
        """The day of the card (M11)."""
        said = self.text("M11")
        if not re.match("[0-9]{7}", said):
            return None
        try:
            return date(int(said[:3]) + 1911, int(said[3:5]), int(said[5:7]))
        except ValueError:
            return None

    @property
    def month(self) -> str | None:
        """The month of the card as YYYY-MM."""
        return f"{self.day:%Y-%m}" if self.day else None

    @property
    def moment(self) -> datetime:
        """The moment of the card, Taipei's wall clock. Records that pass have one."""
        said = self.text("M11")
        return datetime.strptime(f"{int(said[:3]) + 1911}{said[3:]}", "%Y%m%d%H%M%S")

    @property
    def second(self) -> tuple[str, datetime]:
        """Person and second of the visit, as its key has them: what nobody has twice."""
        if identifies(self.text("M15")):
            return self.text("M15")[6:13], moment_inside(self.text("M15"))
        return person_code(self.text("M03")), self.moment

    @property
    def dispenses(self) -> bool:
        """Whether it carries out a prescription of an earlier visit."""
        return self.text("M07") in ("AE", "AF")

    @property
    def prescription(self) -> str:
        """The prescription whose refills it dispenses: its own, or for AE and AF that of M16."""
        return self.text("M16") if self.dispenses else self.key

    def allows(self, kind: str) -> int:
        """How often the prescription that it issues may be dispensed."""
        if self.text("H00") != "1" or self.dispenses or not identifies(self.key):
            return 0
        if kind in ORDINARY_KINDS:
            return self.number(ORDINARY_KINDS[kind])
        refills = self.number(REFILL_KINDS[kind][0])
        return refills if refills > 1 else 0

    def refills(self, kind: str) -> set[int]:
        """The refills of a refill kind that it dispenses."""
        if self.text("H00") != "1" or not identifies(self.prescription):
            return set()
        digits = {int(c) for c in self.text(REFILL_KINDS[kind][1]) if c.isdigit()}
        return {refill for refill in digits if 1 <= refill <= MOST_REFILLS}

    def ordinary(self) -> list[str]:
        """The ordinary kinds that it dispenses."""
        if self.text("H00") != "1" or not self.dispenses or not identifies(self.prescription):
            return []
        return [kind for kind, field in ORDINARY_KINDS.items() if self.number(field) > 0]


def identifies(treatment_id: str) -> bool:
    """Whether a treatment id is one, and no special code."""
    return bool(IDENTIFIER.fullmatch(treatment_id)) and not SPECIAL.fullmatch(treatment_id)


def person_code(person: str) -> str:
    """A person as characters 7-13 of a treatment id have it."""
    if not re.fullmatch("..[0-9]{7}.?", person):
        return person[:9]
    number, digits = int(person[2:9]), ""
    for _ in range(5):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return person[:2] + digits


def moment_inside(treatment_id: str) -> datetime:
    """The moment in characters 15-20 of a treatment id."""
    seconds = 0
    for character in treatment_id[15:]:
        seconds = seconds * len(ALPHABET) + ALPHABET.index(character)
    year = ALPHABET.index(treatment_id[14]) + 102 + 1911
    return datetime(year, 1, 1) + timedelta(seconds=seconds)

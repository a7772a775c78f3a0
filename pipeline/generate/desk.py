"""An institution at work on one upload: where scenes get persons, moments, ids and signatures."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipeline.generate.chains import Books, Market, Origin
from pipeline.generate.country import Institution, Population
from pipeline.generate.ids import treatment_id
from pipeline.generate.moments import DAY, HOUR, stamp
from pipeline.generate.record import Person, Record, Values
from pipeline.generate.style import Style

LATE = 0.06  # share of visits sent later than the day after
OLDEST_DAYS = 40  # no visit is older; the window is the current month and the three before


class Signatures:
    """Made-up signatures: slices of one long random hexadecimal text."""

    def __init__(self, rng: Random) -> None:
        self._text = rng.randbytes(1 << 16).hex().upper()

    def take(self, rng: Random, length: int) -> str:
        at = int(rng.random() * (len(self._text) - length))
        return self._text[at : at + length]


@dataclass
class Desk:
    """What a scene may use. ``as_of`` is the moment of receipt; every visit is before it."""

    rng: Random
    institution: Institution
    population: Population
    prescribers: list[str]
    as_of: int
    signatures: Signatures
    books: Books
    market: Market

    @property
    def style(self) -> Style:
        return self.institution.style

    def person(self) -> Person:
        return self.population.person(int(self.rng.random() * self.population.size))

    def newborn(self, born: str) -> Person:
        """Somebody outside the population, born on a given day."""
        index = self.population.size + self.rng.randrange(10**6)
        return self.population.person(index)._replace(birth=born)

    def moment(self) -> int:
        """A visit within opening hours, mostly of the last day, never after ``as_of``."""
        rng = self.rng
        back = rng.random() * (OLDEST_DAYS - 2) * DAY if rng.random() < LATE else 0.0
        at = self.as_of - 10 * 60 - int(back + rng.random() * DAY)
        if self.institution.kind == "hospital":
            return at if at % DAY > HOUR else at - 2 * HOUR
        opened = at - at % DAY + 8 * HOUR + int(rng.random() * 13 * HOUR)
        return opened if opened < self.as_of - 600 else opened - DAY

    def between(self, earliest: int, latest: int) -> int:
        """A moment of the half-open range."""
        return earliest + int(self.rng.random() * (latest - earliest))

    def mint(self, person: Person, moment: int) -> tuple[str, int]:
        """A new treatment id and its moment, moved back by seconds while the id is taken."""
        minted = self.books.minted
        made = treatment_id(self.institution.code, person.id, moment)
        while made in minted:
            moment -= 1
            made = treatment_id(self.institution.code, person.id, moment)
        minted.add(made)
        return made, moment

    def signature(self, length: int) -> str:
        return self.signatures.take(self.rng, length)

    def sequence(self) -> str:
        """M13 of a counted visit: a card's running number, sometimes a virtual card's."""
        rng = self.rng
        if rng.random() < 0.02:
            return f"{rng.choice('VVVW')}{1 + int(rng.random() * 40):03d}"
        return f"{1 + int(rng.random() ** 3 * 300):04d}"

    def start(
        self,
        scene: str,
        visit_type: str,
        *,
        sequence: str = "",
        person: Person | None = None,
        moment: int | None = None,
    ) -> Record:
        """A normal record with its identity fields; M13 is left out where ``sequence`` is empty."""
        who = person or self.person()
        made, at = self.mint(who, self.moment() if moment is None else moment)
        institution = self.institution
        visit: Values = {
            "H00": "1", "H01": "A", "M01": institution.sam, "M02": who.card, "M03": who.id,
            "M04": who.birth, "M05": institution.code, "M06": self.rng.choice(institution.staff),
            "M07": visit_type, "M11": stamp(at), "M12": "1", "M14": self.signature(256),
            "M15": made, "M51": "4",
        }  # fmt: skip
        if sequence:
            visit["M13"] = sequence
        if institution.provider_category:
            visit["M56"] = institution.provider_category
        return Record(scene, who, at, visit)

    def origin_of(self, person: Person, moment: int, *, elsewhere: bool = False) -> Origin:
        """A visit before ``moment`` that nobody has in this set: sent before it began."""
        code = self.institution.code
        if elsewhere:
            code = self.rng.choice(self.prescribers)
        earlier = moment - self.between(2 * HOUR, 20 * DAY)
        made = treatment_id(code, person.id, earlier)
        return Origin(person, made, code, f"{1 + self.rng.randrange(300):04d}", earlier)

    def follow_up(self, scene: str, visit_type: str) -> Record:
        """A record that refers to an earlier visit here, one of this set where there is one."""
        seen, latest = self.books.seen, self.as_of - 600
        if seen and seen[0].moment < latest - 2 * HOUR and self.rng.random() < 0.7:
            origin = seen.popleft()
            moment = self.between(origin.moment + HOUR, latest)
            record = self.start(scene, visit_type, person=origin.person, moment=moment)
        else:
            record = self.start(scene, visit_type)
            origin = self.origin_of(record.person, record.moment)
        refer(record, origin)
        return record


def refer(record: Record, origin: Origin) -> None:
    """Write M16-M19."""
    record.visit["M16"] = origin.treatment_id
    record.visit["M17"] = origin.institution
    record.visit["M19"] = stamp(origin.moment)
    if origin.sequence:
        record.visit["M18"] = origin.sequence

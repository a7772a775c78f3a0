"""What an institution may do next in a random history; most of it about visits known already.

A move gives a record, or nothing where it finds nothing to act upon. Moves look at the slow replay
so that they meet what is live, dispensed or cancelled often enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from visit_records import (
    INSTITUTIONS,
    Record,
    dispensing,
    follow_up,
    moment,
    prescribing,
    refill,
    special,
    visit,
)

from pipeline.generate.moments import moment_of, stamp
from pipeline.outcome import Mode
from tests.oracle.replay import Replay
from tests.oracle.visit import identifies

DAY, HOUR = 86_400, 3_600
Spot = tuple[str, int]  # a person, and a moment
Move = Callable[["World", str], Record | None]


@dataclass
class World:
    """What the moves choose from. ``start`` and ``special_until`` are moments in seconds."""

    random: Random
    replay: Replay
    persons: list[str]
    start: int
    special_code: str
    special_until: int
    now: datetime
    sent: list[Record] = field(default_factory=list)
    promised: list[Record] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)

    @property
    def mode(self) -> Mode:
        """The mode of the replay."""
        return "precheck" if self.replay.precheck else "official"

    def spot(self, after: int | None = None) -> Spot:
        """A person and a moment before now; moments are few, so that visits collide."""
        r, until = self.random, moment_of(self.now) - 1
        first = self.start if after is None else after + 1
        days = max(1, min(45, (until - first) // DAY))
        at = first + r.randrange(days) * DAY + r.randrange(4) * HOUR + r.randrange(3)
        return r.choice(self.persons), min(at, until)

    def known(self, of: Iterable[Record] | None = None) -> Record | None:
        """A record sent before, a late one rather."""
        records = list(self.sent if of is None else of)
        if not records:
            return None
        return records[-1 - int(len(records) * self.random.random() ** 2)]

    def own(self, institution: str) -> Iterator[Record]:
        """What an institution has sent itself."""
        return (record for record in self.sent if record.institution == institution)

    def prescriptions(self) -> Iterator[Record]:
        """Records that issue something, sent already or promised."""
        for record in (*self.sent, *self.promised):
            if record.fields["M07"] not in ("AE", "AF") and identifies(record.id):
                yield record


def issue(world: World, at: str, spot: Spot | None = None) -> Record | None:
    """A visit that issues: nothing, ordinary kinds, or refills."""
    r, (person, moment_) = world.random, spot or world.spot()
    if at[0] == "5":
        return None
    if r.random() < 0.35:
        kinds = r.choice(("", "A", "A", "AB", "D", "ABDE"))
        return prescribing(at, person, moment_, kinds, H00=r.choice("1111112"))
    chronic, controlled = r.choice(((2, 0), (3, 0), (8, 0), (0, 2), (0, 3), (0, 4), (3, 2)))
    legs = r.choice(("", "", "1", "1", "12"))
    return refill(at, person, moment_, chronic, controlled, legs)


def dispense(world: World, at: str, spot: Spot | None = None) -> Record | None:
    """A dispensing; of a prescription that isn't sent yet, too."""
    r = world.random
    of = world.known(world.prescriptions())
    if of is None or r.random() < 0.1:
        of = issue(world, r.choice(INSTITUTIONS[:3]))
        if of is None:
            return None
        world.promised.append(of)
    when = spot[1] if spot else world.spot(moment_of_visit(of))[1]
    if spot and spot[0] != of.fields["M03"]:
        return None
    kinds = "".join(k for k, f in zip("ABDE", ("M24", "M25", "M27", "M28"), strict=True)
                    if f in of.fields)  # fmt: skip
    kinds = kinds if r.random() < 0.8 else r.choice(("A", "AB", "E"))
    chronic = _legs(world, of, "C", "M26")
    controlled = _legs(world, of, "F", "M29")
    if not (kinds or chronic or controlled):
        kinds = "A"
    record = dispensing(at, of, when, kinds, chronic, controlled)
    return _astray(world, record)


def follow(world: World, at: str, spot: Spot | None = None) -> Record | None:
    """A course (AA), or a second visit of the day (AI)."""
    second = world.random.random() < 0.4
    of = world.known(r for r in (world.own(at) if second else world.sent) if identifies(r.id))
    if at[0] == "5" or of is None or (spot and spot[0] != of.fields["M03"]):
        return None
    if second:
        when = spot[1] if spot else moment_of_visit(of) + world.random.randrange(1, 3 * HOUR)
        return _astray(world, follow_up(at, of, when, "AI"))
    when = spot[1] if spot else world.spot(moment_of_visit(of))[1]
    return _astray(world, follow_up(at, of, when))


def correct(world: World, at: str) -> Record | None:
    """One of one's own visits again, with other contents."""
    of = world.known(world.own(at))
    if of is None:
        return None
    r = world.random
    change = r.random()
    if change < 0.15:
        return of.but(M44=str(r.randrange(100, 900)))
    if change < 0.25 and "M33" in of.fields:
        return of.but(M33=r.choice(("1", "2", "3", "12", "23", "123")))
    if change < 0.3:
        return of.but(H00=r.choice("12"))
    if not identifies(of.id) or of.id not in world.spots:
        return of.but(M44="77")
    return r.choice((issue, dispense, dispense, follow))(world, at, world.spots[of.id])


def fail(world: World, at: str) -> Record | None:
    """A correction, or a new visit, with a fault."""
    record = correct(world, at) or issue(world, at)
    return record.broken() if record else None


def resend_promised(world: World, at: str) -> Record | None:
    """A prescription that comes after its dispensing."""
    for record in world.promised:
        if record.institution == at:
            world.promised.remove(record)
            return record
    return None


def take_over(world: World, at: str) -> Record | None:
    """A visit under the treatment id of another institution's."""
    dispensings = at[0] == "5"
    others = [r for r in world.sent if r.institution != at]
    of = world.known(r for r in others if (r.fields["M07"] == "AF") == dispensings)
    return of.but(M05=at) if of else None


def coincide(world: World, at: str) -> Record | None:
    """A visit of a person who is elsewhere at that second."""
    of = world.known(r for r in world.sent if r.institution != at and r.id in world.spots)
    if of is None:
        return None
    person, when = world.spots[of.id]
    if at[0] == "5":
        return dispense(world, at, (person, when))
    return visit(at, person, when)


def shorten(world: World, at: str) -> Record | None:
    """A refill prescription again, for another number of refills or none, dispensed ones rather."""
    touched = (r for r in _refills_of(world, at) if world.replay.ledger.of(r.id))
    of = world.known(touched) or world.known(_refills_of(world, at))
    if of is None or of.id not in world.spots:
        return None
    if world.random.random() < 0.3:
        return prescribing(at, *world.spots[of.id], "A")
    chronic, controlled = world.random.choice(((2, 0), (3, 0), (5, 0), (0, 2), (2, 3)))
    return refill(at, *world.spots[of.id], chronic, controlled, world.random.choice(("", "1")))


def delete(world: World, at: str) -> Record | None:
    """A delete, of one's own mostly, and often of what the ledger knows."""
    r, ledger = world.random, world.replay.ledger
    of = world.known(world.own(at) if r.random() < 0.9 else None)
    if r.random() < 0.4:
        holders = {slot.by for slots in ledger.slots.values() for slot in slots.values()}
        in_ledger = (x for x in world.own(at) if x.id in holders or ledger.of(x.id))
        of = world.known(in_ledger) or of
    return of.as_format("D").but(M05=at) if of else None


def cancel_or_undo(world: World, at: str) -> Record | None:
    """A cancel or undo of refills, of one's own mostly."""
    r, ledger = world.random, world.replay.ledger
    of = world.known(world.own(at) if r.random() < 0.9 else None)
    if r.random() < 0.85:
        touched = [x for x in _refills_of(world, at) if ledger.of(x.id)]
        of = world.known(touched if touched and r.random() < 0.7 else _refills_of(world, at))
    if of is None or of.fields["M07"] in ("AE", "AF"):
        return None
    cancelled = ledger.cancelled(of.id, "C") | ledger.cancelled(of.id, "F")
    return of.as_format(r.choice("EEC" if cancelled else "CCCCE")).but(M05=at)


def under_special_code(world: World, at: str) -> Record | None:
    """A visit or dispensing whose treatment id identifies nothing; its delete or cancel."""
    person, when = world.spot()
    if when >= world.special_until:
        when = world.start + world.random.randrange(3)
    if at[0] == "5":
        of = world.known(world.prescriptions())
        record = dispensing(at, of, max(when, moment_of_visit(of) + 1), chronic="1") if of else None
    else:
        record = issue(world, at, (person, when))
    if record is None or moment_of_visit(record) >= world.special_until:
        return None
    letters = "AAAAADC" if at[0] != "5" else "AAAAD"
    letter = world.random.choice(letters)
    coded = special(record, world.special_code)
    return coded if letter == "A" else coded.as_format(letter)


def be_odd(world: World, at: str) -> Record | None:
    """A record that names itself; or a new contract whose id has another moment than its visit."""
    person, when = world.spot()
    if at[0] == "5" or world.random.random() < 0.5:
        here = visit(at, person, when)
        itself = dispensing(at, here, when, "A") if at[0] == "5" else follow_up(at, here, when)
        return itself.but(M19=stamp(when)[:7] + "000000", M18=None)
    record = visit(at, person, when, M15=visit(at, person, when - 60).id)
    return record.as_abnormal("G000")


def _refills_of(world: World, at: str) -> Iterator[Record]:
    """An institution's refill prescriptions."""
    for record in world.own(at):
        if {"M26", "M29"} & record.fields.keys() and record.fields["M07"] not in ("AE", "AF"):
            yield record


def _astray(world: World, record: Record) -> Record:
    """Sometimes the original is named wrongly."""
    r = world.random
    if r.random() < 0.05:
        record = record.but(M17=r.choice(INSTITUTIONS))
    if r.random() < 0.05:
        record = record.but(M18="0099")
    if r.random() < 0.05:
        record = record.but(M06="D199966564")
    return record


def _legs(world: World, of: Record, kind: str, count: str) -> str:
    """Refills to dispense: the next, or others."""
    r = world.random
    if count not in of.fields and r.random() < 0.95:
        return ""
    done = world.replay.ledger.dispensed(of.id, kind)
    following = next(n for n in range(1, 10) if n not in done)
    if following < 9 and r.random() < 0.6:
        return str(following)
    return r.choice(("1", "2", "3", "12", "23", "123", "01", "4"))


def moment_of_visit(record: Record) -> int:
    """The moment a record names in M11."""
    said = record.fields["M11"]
    clock = f"{said[7:9]}:{said[9:11]}:{said[11:]}"
    return moment(f"{int(said[:3]) + 1911}-{said[3:5]}-{said[5:7]}T{clock}")


MOVES: dict[Move, int] = {
    issue: 22, dispense: 26, follow: 8, correct: 22, fail: 5, resend_promised: 8, take_over: 3,
    coincide: 4, delete: 11, cancel_or_undo: 14,
    shorten: 8, under_special_code: 5, be_odd: 2,
}  # fmt: skip

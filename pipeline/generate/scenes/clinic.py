"""Visits at clinics and outpatient departments: Western, dental and Chinese medicine."""

from __future__ import annotations

from pipeline.generate.chains import Origin, Prescription
from pipeline.generate.desk import Desk, refer
from pipeline.generate.ids import MISSING, treatment_id
from pipeline.generate.moments import DAY, HOUR, date_text, stamp
from pipeline.generate.orders import bill, drug, fee, injection, item, no_drug, prescribe, virtual
from pipeline.generate.record import Person, Record

_DIAGNOSES = ("J069", "J029", "I10", "E119", "M5459", "K30", "R519", "J00", "N390", "L309", "H109")
_VISIT_TYPES = {"dental": "02", "chinese": "03"}
_PREVENTIVE = ("IC01", "IC02", "IC21", "IC22", "IC41", "IC53")  # IC09 is an antiviral's
_TEETH = ("11", "16", "26", "36", "46", "48", "55", "FM", "UR")
_SHORT = {"chinese": ("A90", "B41", "B42", "B46"), "dental": ("89001C", "90001C", "91004C")}


def outpatient(
    desk: Desk,
    scene: str,
    *,
    person: Person | None = None,
    moment: int | None = None,
) -> Record:
    """The identity, diagnosis and money of an ordinary visit; no orders yet."""
    visit_type = _VISIT_TYPES.get(desk.institution.kind, "01")
    record = desk.start(scene, visit_type, sequence=desk.sequence(), person=person, moment=moment)
    diagnose(desk, record)
    bill(desk, record, 200 + desk.between(0, 1800))
    return record


def diagnose(desk: Desk, record: Record) -> None:
    """M35, and M36 for some."""
    rng = desk.rng
    record.visit["M35"] = _DIAGNOSES[int(rng.random() * len(_DIAGNOSES))]
    if rng.random() < 0.3:
        record.visit["M36"] = "R059"


def plain(desk: Desk) -> Record:
    """A visit with drugs dispensed in house, and the treatment of its kind."""
    record = outpatient(desk, "plain")
    kind = desk.institution.kind
    if kind == "dental":
        tooth = desk.rng.choice(_TEETH)
        item(desk, record, desk.rng.choice(_SHORT[kind]), D07=tooth)
    elif kind == "chinese":
        item(desk, record, desk.rng.choice(_SHORT[kind]))
    else:
        fee(desk, record)
        for _ in range(int(desk.rng.random() ** 4 * 6)):
            item(desk, record, f"{desk.between(6001, 9140):05d}C")
        if desk.rng.random() < 0.05:
            injection(desk, record)
    prescribe(desk, record)
    return record


def treated(desk: Desk) -> Record:
    """A visit without drugs."""
    record = outpatient(desk, "treated")
    no_drug(record)
    kind = desk.institution.kind
    if kind in _SHORT:
        item(desk, record, desk.rng.choice(_SHORT[kind]))
    else:
        fee(desk, record)
        item(desk, record, "48001C")
    return record


def handed_over(desk: Desk) -> Record:
    """A prescription that a pharmacy will dispense."""
    record = outpatient(desk, "handed_over")
    fee(desk, record)
    prescribe(desk, record, handed_over=True)
    if desk.rng.random() < 0.05:
        injection(desk, record)
    offered = _prescription(record, desk, times=1, next_refill=1)
    record.afterwards = lambda: desk.market.offer(offered)
    return record


def _refillable(desk: Desk, scene: str, *, order_type: str, mode: str, kind: str) -> Record:
    record = outpatient(desk, scene)
    days = desk.rng.choice((14, 28, 28, 30))
    times = desk.rng.choice((2, 3, 3))
    for _ in range(desk.between(1, 5)):
        drug(desk, record, days=days, kind=kind, order_type=order_type, mode=mode)
    fee(desk, record)
    total, count = ("M21", "M26") if kind == "C" else ("M22", "M29")
    record.visit.update({"M20": str(days), total: str(days * times), count: str(times)})
    return record


def refill_in_house(desk: Desk, scene: str = "refill_in_house", kind: str = "C") -> Record:
    """A refill prescription whose first leg is dispensed in house."""
    record = _refillable(desk, scene, order_type="1", mode="0", kind=kind)
    record.visit["M23"] = "0"
    record.visit["M33" if kind == "C" else "M34"] = "1"
    _open(desk, record, next_refill=2)
    return record


def controlled_refill(desk: Desk) -> Record:
    """The same for a controlled drug."""
    return refill_in_house(desk, "controlled_refill", "F")


def refill_handed_over(desk: Desk) -> Record:
    """A refill prescription handed over entirely."""
    record = _refillable(desk, "refill_handed_over", order_type="M", mode="1", kind="C")
    record.visit["M23"] = "1"
    _open(desk, record, next_refill=1)
    return record


def _open(desk: Desk, record: Record, *, next_refill: int) -> None:
    """Refills go either to the pharmacies or stay with the issuer, who may cancel them."""
    visit = record.visit
    times = int(visit.get("M26") or visit["M29"])
    opened = _prescription(record, desk, times=times, next_refill=next_refill)
    keep = next_refill > 1 and desk.rng.random() < 0.3
    record.afterwards = lambda: (
        desk.books.prescriptions.append(opened) if keep else desk.market.offer(opened)
    )


def _prescription(record: Record, desk: Desk, *, times: int, next_refill: int) -> Prescription:
    visit = record.visit
    prescribed = [order for order in record.orders if "D04" in order]
    return Prescription(
        Origin(record.person, visit["M15"], desk.institution.code, visit["M13"], record.moment),
        prescribed[0]["D04"],
        int(visit["M20"]),
        times,
        next_refill,
        visit["M35"],
        tuple((order["D06"], int(order["D09"])) for order in prescribed),
    )


def makeup(desk: Desk) -> Record:
    """The card swiped days after a self-pay visit whose treatment id is known (M12=2)."""
    record = outpatient(desk, "makeup")
    item(desk, record, "B42")
    prescribe(desk, record, most=2)
    earlier = record.moment - desk.between(DAY // 2, 6 * DAY)
    made, real = desk.mint(record.person, earlier)
    record.visit.update({"M12": "2", "M49": stamp(real), "M52": made})
    return record


def makeup_missing(desk: Desk) -> Record:
    """The same where nobody knows the treatment id of the earlier visit (M12=4)."""
    record = outpatient(desk, "makeup_missing")
    item(desk, record, "B42")
    no_drug(record)
    earlier = record.moment - desk.between(DAY // 2, 6 * DAY)
    record.visit.update({"M12": "4", "M49": stamp(earlier), "M52": MISSING})
    return record


def makeup_newborn(desk: Desk) -> Record:
    """A baby of 61 to 92 days whose card came after the visit (M12=3)."""
    moment = desk.moment()
    visited = moment - desk.between(DAY // 2, 6 * DAY)
    born = visited // DAY - desk.between(61, 93)
    baby = desk.newborn(date_text(born))
    record = outpatient(desk, "makeup_newborn", person=baby, moment=moment)
    fee(desk, record)
    no_drug(record)
    made = treatment_id(desk.institution.code, baby.id, visited)
    record.visit.update({"M12": "3", "M49": stamp(visited), "M52": made})
    return record


def newborn(desk: Desk) -> Record:
    """A baby on a parent's card: M08 to M10."""
    record = outpatient(desk, "newborn")
    fee(desk, record)
    prescribe(desk, record, most=1)
    babies = desk.rng.choice((1, 1, 1, 2))
    letter = desk.rng.choice("ABab"[: 2 * babies : 2] if babies == 1 else "ABab")
    born = date_text(record.moment // DAY - desk.between(2, 58))
    record.visit.update({"M08": born, "M09": str(babies), "M10": letter})
    return record


def course(desk: Desk) -> Record:
    """A later session of a course (AA): no sequence number, M16-M19 name the first visit."""
    record = desk.follow_up("course", "AA")
    diagnose(desk, record)
    bill(desk, record, 227, 0)
    no_drug(record)
    record.visit["M30"] = str(desk.between(2, 7))
    item(desk, record, desk.rng.choice(_SHORT.get(desk.institution.kind, ("42006A",))))
    return record


def preventive(desk: Desk) -> Record:
    """A preventive service (AC) with its own kind of sequence."""
    record = desk.start("preventive", "AC", sequence=desk.rng.choice(_PREVENTIVE))
    no_drug(record)
    record.visit["M45"] = "0"
    item(desk, record, desk.rng.choice(("21", "23", "L1001C", "85")))
    return record


def occupational(desk: Desk) -> Record:
    """An occupational injury (AD): no sequence number."""
    record = desk.start("occupational", "AD")
    diagnose(desk, record)
    bill(desk, record, 480, 0)
    record.visit["M51"] = "1"
    fee(desk, record)
    prescribe(desk, record, most=2)
    return record


def same_day(desk: Desk) -> Record:
    """The second consultation of a day with the same doctor (AI): MB1 only."""
    record = desk.start("same_day", "AI")
    first = record.moment - desk.between(60, record.moment % DAY - HOUR // 2)
    code, person = desk.institution.code, record.person
    refer(record, Origin(person, treatment_id(code, person.id, first), code, "0003", first))
    diagnose(desk, record)
    no_drug(record)
    return record


def repeated_reason(desk: Desk) -> Record:
    """Drugs given early: a reason code, and the visit whose drugs are still there."""
    record = outpatient(desk, "repeated_reason")
    refer(record, desk.origin_of(record.person, record.moment, elsewhere=True))
    virtual(desk, record, f"R00{desk.between(1, 5)}")
    prescribe(desk, record, most=2)
    return record


def antiviral(desk: Desk) -> Record:
    """A public antiviral: U071, benefit category W, five days."""
    record = outpatient(desk, "antiviral")
    record.visit.update({"M35": "U071", "M51": "W", "M20": "5", "M23": "0", "M24": "1"})
    order = drug(desk, record, days=5, code=desk.rng.choice(("XCOVID0001", "XCOVID0002")))
    order["D08"] = desk.rng.choice(("BID", "Q12H"))
    fee(desk, record)
    return record


def disaster(desk: Desk) -> Record:
    """A visit under a natural-disaster scheme: its virtual order and benefit category 8."""
    record = treated(desk)
    record.scene = "disaster"
    virtual(desk, record, "TYPN11409RAG")
    record.visit["M51"] = "8"
    return record

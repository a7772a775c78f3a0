"""What only hospitals do: emergencies, stays, and what is carried out during them."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.orders import add as add_order
from pipeline.generate.orders import bill, drug_code, fee, injection, item, no_drug, prescribe
from pipeline.generate.record import Record
from pipeline.generate.scenes.clinic import diagnose

_PROCEDURES = ("0DTJ4ZZ", "02100Z9", "0SRC0J9", "10D00Z1")


def emergency(desk: Desk) -> Record:
    """An emergency: tests, injections, a few drugs to go home with."""
    record = desk.start("emergency", "04", sequence=desk.sequence())
    diagnose(desk, record)
    bill(desk, record, 1200 + desk.between(0, 6000), 450)
    record.visit["M51"] = desk.rng.choice("34")
    fee(desk, record, "00203B")
    _tests(desk, record, 8)
    injection(desk, record)
    prescribe(desk, record, most=2)
    return record


def urgent_care(desk: Desk) -> Record:
    """An urgent care centre's case: M57 and its own fee."""
    record = emergency(desk)
    record.scene = "urgent_care"
    record.visit["M57"] = f"U{desk.between(1, 30):03d}"
    item(desk, record, f"P880{desk.between(1, 4)}C")
    return record


def referred(desk: Desk) -> Record:
    """A referral, or a visit after surgery or discharge (06-08)."""
    record = desk.start("referred", desk.rng.choice(("06", "07", "08")), sequence=desk.sequence())
    diagnose(desk, record)
    bill(desk, record, 900, 170)
    fee(desk, record)
    _tests(desk, record, 6)
    prescribe(desk, record)
    return record


def dialysis(desk: Desk) -> Record:
    """Dialysis (09), under its own provider category."""
    record = desk.start("dialysis", "09", sequence=desk.sequence())
    record.visit.update({"M35": "N186", "M56": "15"})
    bill(desk, record, 3912, 0)
    no_drug(record)
    item(desk, record, "58029C")
    return record


def admission(desk: Desk) -> Record:
    """An admission (05)."""
    record = desk.start("admission", "05", sequence=desk.sequence())
    diagnose(desk, record)
    no_drug(record)
    bed = f"{desk.between(1, 20):02d}{desk.between(1, 40):02d}A"
    record.visit.update({"M50": bed, "M56": "22"})
    return record


def discharge(desk: Desk) -> Record:
    """A discharge (BB) with the money of the stay and its procedures."""
    record = desk.follow_up("discharge", "BB")
    diagnose(desk, record)
    no_drug(record)
    amount = desk.style.amount
    record.visit.update({
        "M41": desk.rng.choice(_PROCEDURES), "M46": amount(desk.between(9_000, 240_000)),
        "M47": amount(desk.between(0, 9_000)), "M50": "RRRRR", "M56": "22",
    })  # fmt: skip
    return record


def during_stay(desk: Desk) -> Record:
    """Items of one round at the bedside (BC): many tests and injections."""
    record = desk.follow_up("during_stay", "BC")
    diagnose(desk, record)
    record.visit.update({"M20": "0", "M23": "0", "M50": "ER"})
    _tests(desk, record, 30)
    for _ in range(desk.between(1, 8)):
        injection(desk, record)
    return record


def scheduled(desk: Desk) -> Record:
    """A scheduled examination (AG)."""
    record = desk.follow_up("scheduled", "AG")
    diagnose(desk, record)
    no_drug(record)
    _tests(desk, record, 4)
    return record


def home_care(desk: Desk) -> Record:
    """Home care, second visit onward (AH)."""
    record = desk.follow_up("home_care", "AH")
    diagnose(desk, record)
    no_drug(record)
    item(desk, record, "05301C")
    return record


def cancer_plan(desk: Desk) -> Record:
    """The cancer-care plan: CA with a service code as sequence."""
    record = desk.start("cancer_plan", "CA", sequence="ICC4")
    diagnose(desk, record)
    no_drug(record)
    item(desk, record, f"P77{desk.between(1, 16):02d}C")
    return record


def long_stay(desk: Desk) -> Record:
    """A stay's record with a hundred orders and more, over several days of drugs."""
    record = during_stay(desk)
    record.scene = "long_stay"
    for _ in range(desk.between(80, 180)):
        days = desk.between(1, 8)
        add_order(
            desk, record, "1", drug_code(desk), D05="0", D08="QD", D09=desk.style.days(days),
            D10=desk.style.quantity(days), D11=desk.signature(40), D14="IV",
        )  # fmt: skip
    return record


def _tests(desk: Desk, record: Record, most: int) -> None:
    for _ in range(1 + int(desk.rng.random() ** 2 * most)):
        item(desk, record, f"{desk.between(9001, 12299):05d}C")

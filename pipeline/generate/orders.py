"""Orders: drugs, procedures, fees and virtual ones, and what they make of the visit's fields."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.record import Record, Values

_FREQUENCIES = (("QD", 1), ("BID", 2), ("TID", 3), ("TID", 3), ("QID", 4), ("Q12H", 2))
_NOTES = (
    "飯後服用，許功蓋",
    "睡前服用",
    "裏急後重，恒溫保存",
    "每日三次 <飯後> & 睡前",
    "成　分：功能改善；琮崨",
    "須冷藏，請勿壓碎",
    "Take with food",
)
_COUNT_FIELD = {"A": "M24", "B": "M25", "C": "M26", "D": "M27", "E": "M28", "F": "M29"}


def add(desk: Desk, record: Record, order_type: str, code: str, **more: str) -> Values:
    """An order with its required fields; ``more`` are further ones."""
    order: Values = {
        "D01": record.visit["M11"],
        "D02": order_type,
        "D03": desk.style.order_no(len(record.orders) + 1),
        "D06": code,
        "D10": desk.style.quantity(1),
        **more,
    }
    record.orders.append(order)
    return order


def item(desk: Desk, record: Record, code: str, **more: str) -> None:
    """A fee-schedule item done in house."""
    add(desk, record, "2", code, D05="0", D11=desk.signature(40), **more)


def fee(desk: Desk, record: Record, code: str = "00109C") -> None:
    """A consultation fee."""
    add(desk, record, "0", code, D05="0")


def virtual(desk: Desk, record: Record, code: str) -> None:
    """A virtual order, with the bare quantity vendors give it."""
    add(desk, record, "G", code, D10="0")


def drug_code(desk: Desk) -> str:
    """A made-up drug code, shaped like those of the institution's kind."""
    number = int(desk.rng.random() * 90_000) + 10_000
    return f"A0{number % 10_000:05d}" if desk.institution.kind == "chinese" else f"AC{number}100"


def drug(
    desk: Desk,
    record: Record,
    *,
    days: int,
    kind: str = "A",
    order_type: str = "1",
    mode: str = "0",
    code: str = "",
) -> Values:
    """An oral drug for ``days``; ``kind`` is D04, ``mode`` D05."""
    rng = desk.rng
    frequency, a_day = _FREQUENCIES[int(rng.random() * len(_FREQUENCIES))]
    order = add(
        desk, record, order_type, code or drug_code(desk),
        D04=kind, D05=mode, D08=frequency, D09=desk.style.days(days),
        D10=desk.style.quantity(days * a_day), D11=desk.signature(40), D14="PO",
    )  # fmt: skip
    if rng.random() < 0.04:
        order["D15"] = _NOTES[int(rng.random() * len(_NOTES))]
    return order


def injection(desk: Desk, record: Record) -> None:
    """An injection given on the spot, which may stand beside any way of dispensing."""
    add(
        desk, record, "1", drug_code(desk),
        D05="0", D08="QD", D09=desk.style.days(1), D11=desk.signature(40),
        D14=desk.rng.choice(("IM", "IV", "SC")),
    )  # fmt: skip


def prescribe(desk: Desk, record: Record, *, most: int = 6, handed_over: bool = False) -> None:
    """A prescription dispensed once: 1 to ``most`` drugs, M20, M23 and the count M24 or M25."""
    days = desk.rng.choice((3, 3, 3, 5, 7, 7, 7, 14, 28))
    kind = "A" if days <= 7 else "B"
    order_type, mode = ("M", "1") if handed_over else ("1", "0")
    drugs = 1 + int(desk.rng.random() * most)
    for i in range(drugs):
        length = days if i == 0 else desk.between(1, days + 1)
        drug(desk, record, days=length, kind=kind, order_type=order_type, mode=mode)
    record.visit["M20"] = str(days)
    record.visit["M23"] = "1" if handed_over else "0"
    record.visit[_COUNT_FIELD[kind]] = "1"


def no_drug(record: Record) -> None:
    """No prescription at all."""
    record.visit["M20"] = "0"
    record.visit["M23"] = "2"


def bill(desk: Desk, record: Record, fee_amount: int, copay: int = 50) -> None:
    """Outpatient money: M44, M45, M53 and M54."""
    amount = desk.style.amount
    record.visit["M44"] = amount(fee_amount)
    record.visit["M45"] = amount(copay)
    record.visit["M53"] = amount(copay)
    record.visit["M54"] = amount(0)

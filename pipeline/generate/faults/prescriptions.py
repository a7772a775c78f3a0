"""Prescriptions, refills and orders that contradict each other."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.faults.fault import (
    Fault,
    Site,
    order_leave_out,
    order_put,
    pick,
    put,
    put_at,
)
from pipeline.generate.orders import add, drug, item, virtual
from pipeline.generate.record import Record

HANDED = ("refill_handed_over",)
CONTROLLED = ("controlled_refill",)
IN_HOUSE = ("refill_in_house",)


def _count_without_total(_desk: Desk, record: Record) -> list[Site]:
    del record.visit["M21"]
    record.visit["M26"] = "1"
    return [Site("M21")]


def _refill_of_a_week(desk: Desk, record: Record) -> list[Site]:
    record.visit.update({"M20": "7", "M21": "7", "M26": "2"})
    for order in record.orders:
        if "D09" in order:
            order["D09"] = desk.style.days(7)
    return [Site("M26")]


def _total_not_multiple(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M21"] = str(int(record.visit["M21"]) + 1)
    return [Site("M21")]


def _drug_marked_released(desk: Desk, record: Record) -> list[Site]:
    drug(desk, record, days=1, kind=_kind(record), order_type="M", mode="1")
    return [Site("M23")]


def _kind(record: Record) -> str:
    return "A" if "M24" in record.visit else "B"


def _count_missing(_desk: Desk, record: Record) -> list[Site]:
    kind = _kind(record)
    del record.visit["M24" if kind == "A" else "M25"]
    return [Site("D04", i) for i, o in enumerate(record.orders, 1) if o.get("D04") == kind]


def _refill_number_missing(_desk: Desk, record: Record) -> list[Site]:
    del record.visit["M33"]
    return [Site("D04", i) for i, o in enumerate(record.orders, 1) if o.get("D04") == "C"]


def _refill_beyond_count(_desk: Desk, record: Record) -> list[Site]:
    field = "M33" if "M33" in record.visit else "M34"
    record.visit[field] = "8"
    return [Site(field)]


def _same_number(_desk: Desk, record: Record) -> list[Site] | None:
    if len(record.orders) < 2:
        return None
    record.orders[1]["D03"] = record.orders[0]["D03"]
    return [Site("D03", 1), Site("D03", 2)]


def _days_beyond(desk: Desk, record: Record) -> list[Site] | None:
    at = pick(desk, record, "D04", "ABC")
    if at is None:
        return None
    record.orders[at]["D09"] = desk.style.days(int(record.visit["M20"]) + 1)
    return [Site("D09", at + 1)]


def _other_order_time(desk: Desk, record: Record) -> list[Site] | None:
    at = pick(desk, record)
    if at is None:
        return None
    text = record.orders[at]["D01"]
    record.orders[at]["D01"] = f"{text[:-1]}{(int(text[-1]) + 1) % 10}"
    return [Site("D01", at + 1)]


def _reason_at_prevention(desk: Desk, record: Record) -> list[Site]:
    virtual(desk, record, "R001")
    return [Site("D06", len(record.orders))]


def _vaccination_without_vaccine(desk: Desk, record: Record) -> list[Site] | None:
    if record.visit.get("M13", "")[:1] in ("V", "W"):  # a virtual card would be a fault of its own
        return None
    item(desk, record, "A2001C")
    return [Site("D06", len(record.orders))]


def _controlled_refill_of_a_week(desk: Desk, record: Record) -> list[Site]:
    record.visit.update({"M20": "7", "M22": "7", "M29": "2"})
    for order in record.orders:
        if "D09" in order:
            order["D09"] = desk.style.days(7)
    return [Site("M29")]


def _drug_without_prescription(desk: Desk, record: Record) -> list[Site]:
    order = drug(desk, record, days=1)
    del order["D04"]
    order["D14"] = "EX"
    return [Site("M23")]


def _drug_dispensed_too(desk: Desk, record: Record) -> list[Site]:
    drug(desk, record, days=1, kind=_kind(record))
    return [Site("M23")]


def _drug_against_mode(desk: Desk, record: Record) -> list[Site]:
    drug(desk, record, days=1, kind=_kind(record))
    record.visit["M23"] = "C"
    return [Site("D02", len(record.orders))]


def _nothing_handed_over(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M23"] = "C"
    for order in record.orders:
        if order["D02"] == "M":
            order.update({"D02": "1", "D05": "0"})
    return [Site("M23")]


def _gene_test(_desk: Desk, record: Record) -> list[Site]:
    _no_allergy(_desk, record)
    record.orders[0]["E02"] = "12196B"
    return [Site("E02", 1)]


def _herbs_beyond_five(desk: Desk, record: Record) -> list[Site]:
    add(desk, record, "2", "E5012C", D05="0", D10="9.0", D11=desk.signature(40))
    return [Site("D06", len(record.orders))]


def _disaster_elsewhere(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M51"] = "4"
    return [Site("D06", len(record.orders))]


def _cancer_other_order(desk: Desk, record: Record) -> list[Site]:
    item(desk, record, "00109C")
    return [Site("M13")]


def _both_allergies(_desk: Desk, record: Record) -> list[Site]:
    record.orders[0].update({"E03": "J01C", "E04": "盤尼西林"})
    return [Site("E02", 1)]


def _no_allergy(_desk: Desk, record: Record) -> list[Site]:
    for name in ("E03", "E04"):
        record.orders[0].pop(name, None)
    return [Site("E01", 1)]


FAULTS = (
    Fault("refills-too-many", "D014", HANDED, put_at("M21", "M26", "9")),
    Fault("refill-count-without-total", "D015", HANDED, _count_without_total),
    Fault("refill-total-not-multiple", "D008", HANDED, _total_not_multiple),
    Fault("refill-of-a-week", "D009", HANDED, _refill_of_a_week),
    Fault("controlled-refill-of-a-week", "D010", CONTROLLED, _controlled_refill_of_a_week),
    Fault("controlled-refills-too-many", "D017", CONTROLLED, put_at("M22", "M29", "5")),
    Fault("days-without-prescription", "D011", ("treated",), put("M20", "5")),
    Fault("one-day-without-prescription", "D036", ("treated",), put_at("M23", "M20", "1")),
    Fault("drug-without-prescription", "D045", ("treated",), _drug_without_prescription),
    Fault("drug-dispensed-when-handed-over", "D044", ("handed_over",), _drug_dispensed_too),
    Fault("drug-against-mode", "D056", ("handed_over",), _drug_against_mode),
    Fault("nothing-handed-over", "D027", ("handed_over",), _nothing_handed_over),
    Fault("vaccination-without-vaccine", "AD25", ("treated",), _vaccination_without_vaccine),
    Fault("controlled-count-without-total", "D018", ("plain",), put_at("M22", "M29", "0")),
    Fault("refill-beyond-count", "D019", ("dispense_refill",), _refill_beyond_count),
    Fault("refill-number-in-visit", "D021", ("plain",), put_at("M07", "M33", "1")),
    Fault("released-drug-in-house", "D027", ("plain",), _drug_marked_released),
    Fault("refill-number-when-handed-over", "D043", HANDED, put_at("M21", "M33", "1")),
    Fault("later-refill-in-visit", "D089", IN_HOUSE, put("M33", "2")),
    Fault("refill-number-missing", "D077", IN_HOUSE, _refill_number_missing),
    Fault("cancel-of-dispensing", "D053", ("cancel",), put("M07", "AE")),
    Fault("pharmacy-other-visit-type", "AD23", ("dispense",), put_at("M05", "M07", "AE")),
    Fault("count-without-order", "D062", ("treated",), put("M24", "1")),
    Fault("order-without-count", "D064", ("plain",), _count_missing),
    Fault("order-number-repeated", "D028", ("plain", "handed_over"), _same_number),
    Fault("route-missing", "D029", ("plain",), order_leave_out("D14", "D02", has="1")),
    Fault("drug-days-zero", "D040", ("plain", "dispense"), order_put("D09", "0", has="1M")),
    Fault("drug-days-beyond-supply", "D041", ("plain", "dispense"), _days_beyond),
    Fault("drug-quantity-zero", "AA04", ("plain", "dispense"), order_put("D10", "0", has="1")),
    Fault("order-time-not-of-visit", "BE", ("plain", "treated", "dispense"), _other_order_time),
    Fault("reason-not-virtual", "19", ("repeated_reason",), order_put("D02", "2", has="G")),
    Fault("reason-at-prevention", "D033", ("preventive",), _reason_at_prevention),
    Fault("herbs-beyond-five", "AD68", ("plain",), _herbs_beyond_five),
    Fault("disaster-other-benefit", "AD72", ("disaster",), _disaster_elsewhere),
    Fault("cancer-plan-other-order", "AD71", ("cancer_plan",), _cancer_other_order),
    Fault("substituted-in-house", "D065", ("plain",), order_put("D15", "Y", has="1")),
    Fault("antiviral-usage", "AD56", ("antiviral",), order_put("D08", "TID", "D06", has="1")),
    Fault("antiviral-days", "AD57", ("antiviral",), order_put("D09", "4", "D06", has="1")),
    Fault("allergy-unnamed", "E001", ("allergy",), _no_allergy),
    Fault("allergy-named-twice", "E003", ("allergy",), _both_allergies),
    Fault("allergy-symptom-missing", "E004", ("allergy",), order_leave_out("E05")),
    Fault("gene-test-without-result", "E008", ("allergy",), _gene_test),
    Fault("allergy-source-untold", "E005", ("allergy",), order_leave_out("E09", "E08")),
)

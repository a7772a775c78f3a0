"""Fields that are missing, must be empty, or hold what they can't."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.faults.fault import (
    Fault,
    Site,
    leave_out,
    order_leave_out,
    order_put,
    pick,
    put,
)
from pipeline.generate.record import Record

ORDINARY = ("plain", "treated", "handed_over")
DRUGS = ("plain", "handed_over", "dispense")


def _required() -> list[Fault]:
    visit = [
        Fault(f"missing-{name}", "AA", ORDINARY, leave_out(name), first=name != "M05")
        for name in ("M01", "M02", "M03", "M04", "M05", "M06", "M07", "M11", "M12", "M13", "M14")
    ]
    visit.append(Fault("missing-M15", "AA", ("plain", "dispense", "abnormal"), leave_out("M15")))
    visit.append(Fault("missing-M13-abnormal", "AA", ("abnormal",), leave_out("M13")))
    visit.append(Fault("missing-M15-delete", "AA", ("delete",), leave_out("M15")))
    order = [
        Fault(f"missing-{name}", "AA", ORDINARY, order_leave_out(name))
        for name in ("D01", "D03", "D06")
    ]
    order.append(Fault("missing-D02", "AA", ("treated",), order_leave_out("D02")))
    order.append(Fault("missing-D10", "AA", ("treated",), order_leave_out("D10", has="02")))
    order.append(Fault("missing-D11", "AA", DRUGS, order_leave_out("D11", has="1M")))
    return visit + order


def _order_signature(desk: Desk, record: Record) -> list[Site] | None:
    at = pick(desk, record)
    if at is None:
        return None
    record.orders[at]["D11"] = desk.signature(40)
    return [Site("D11", at + 1)]


def _forbidden() -> list[Fault]:
    return [
        Fault("security-module-in-abnormal", "AF", ("abnormal",), put("M01", "000035990199")),
        Fault("card-number-in-abnormal", "AF", ("abnormal",), put("M02", "900012345678")),
        Fault("order-signature-in-abnormal", "AF", ("abnormal",), _order_signature),
        Fault("newborn-in-delete", "AF", ("delete",), put("M09", "1")),
        Fault("days-in-cancel", "AF", ("cancel",), put("M20", "28")),
    ]


def _shapes() -> list[Fault]:
    return [
        Fault("birth-date-not-in-calendar", "AB", ORDINARY, put("M04", "0990230")),
        Fault("birth-date-with-slashes", "AB", ORDINARY, put("M04", "99/2/3")),
        Fault("visit-time-month-13", "AB", ORDINARY, put("M11", "1141301101500")),
        Fault("visit-time-without-seconds", "AB", ORDINARY, put("M11", "11411051015")),
        Fault("original-time-short", "AB", ("course",), put("M19", "1141105")),
        Fault("fee-with-letter", "AB", ("plain", "treated"), put("M44", "12A4")),
        Fault("fee-in-chinese", "AB01", ("plain", "treated"), put("M44", "五百")),
        Fault("fee-too-long", "AC", ("plain", "treated"), put("M44", "123456789")),
        Fault("diagnosis-lower-case", "AB", ("plain", "dispense"), put("M35", "j069")),
        Fault("diagnosis-too-long", "AC", ("plain", "dispense"), put("M35", "J0690000")),
        Fault("card-number-too-long", "AC", ORDINARY, put("M02", "9000123456789")),
        Fault("original-institution-shape", "AC", ("course",), put("M17", "35-9901970")),
        Fault("practitioner-shape", "AC", ORDINARY, put("M06", "PASSPORT12"), "warn"),
        Fault("quantity-two-decimals", "AB", DRUGS, order_put("D10", "12.55", has="1M")),
        Fault("days-in-chinese", "AB01", DRUGS, order_put("D09", "七", where="D04", has="ABC")),
        Fault("order-code-in-chinese", "AB01", DRUGS, order_put("D06", "藥Ａ１２３", has="1M")),
        Fault("usage-too-long", "AC", DRUGS, order_put("D08", "ONE-TABLET-AFTER-MEALS", has="1M")),
    ]


def _lists() -> list[Fault]:
    return [
        Fault("format-unknown", "Y008", ORDINARY, put("H01", "Z")),
        Fault("visit-type-unknown", "Y008", (*ORDINARY, "abnormal"), put("M07", "XX")),
        Fault("dispensing-mode-unknown", "Y008", DRUGS, put("M23", "9")),
        Fault("data-kind-unknown", "01", ORDINARY, put("H00", "9")),
        Fault("makeup-mark-unknown", "AD", ("plain", "treated"), put("M12", "7")),
        Fault("provider-category-unknown", "AD", ("plain", "treated"), put("M56", "99")),
        Fault("benefit-category-unknown", "AD42", ORDINARY, put("M51", "Q")),
        Fault("order-type-unknown", "D000", ("treated",), order_put("D02", "X")),
        Fault("order-dispensing-mode-unknown", "AD", ("plain",), order_put("D05", "8", has="1")),
        Fault("babies-out-of-range", "BB01", ("newborn",), put("M09", "7")),
        Fault("count-not-0-or-1", "D013", ("plain",), _count_two),
    ]


def _count_two(_desk: Desk, record: Record) -> list[Site]:
    field = "M24" if "M24" in record.visit else "M25"
    record.visit[field] = "2"
    return [Site(field)]


FAULTS = (*_required(), *_forbidden(), *_shapes(), *_lists())

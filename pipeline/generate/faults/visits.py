"""Visits whose identity, times, sequence, origin or money contradict each other."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.faults.fault import Fault, Plant, Site, leave_out, put, put_at
from pipeline.generate.faults.forms import ORDINARY
from pipeline.generate.ids import (
    BEFORE_GO_LIVE,
    MISSING,
    NINES,
    TYPHOON,
    person_mark,
    treatment_id,
    wrong_check_digit,
)
from pipeline.generate.moments import DAY, date_text, stamp
from pipeline.generate.orders import add, item, virtual
from pipeline.generate.record import Record


def _move(desk: Desk, record: Record, moment: int) -> None:
    """The same visit at another moment, consistently."""
    record.moment = moment
    record.visit["M11"] = stamp(moment)
    record.visit["M15"] = treatment_id(desk.institution.code, record.person.id, moment)
    for order in record.orders:
        order["D01"] = record.visit["M11"]


def _future(desk: Desk, record: Record) -> list[Site]:
    _move(desk, record, desk.as_of + desk.between(1, DAY))
    return [Site("M11")]


def _too_old(desk: Desk, record: Record) -> list[Site]:
    _move(desk, record, desk.as_of - 130 * DAY)
    return [Site("M11")]


def _before_birth(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M04"] = date_text(record.moment // DAY + 1)
    return [Site("M11")]


def _check_digit(field: str) -> Plant:
    def plant(_desk: Desk, record: Record) -> list[Site]:
        record.visit[field] = wrong_check_digit(record.visit[field])
        return [Site(field)]

    return plant


def _other_institution(desk: Desk, record: Record) -> list[Site] | None:
    others = [code for code in desk.prescribers if code != desk.institution.code]
    if not others:
        return None
    record.visit["M05"] = desk.rng.choice(others)
    return [Site("M05")]


def _treatment_id(field: str) -> Plant:
    """A letter the alphabet lacks, or one character too few."""

    def plant(desk: Desk, record: Record) -> list[Site]:
        value = record.visit[field]
        record.visit[field] = value[:-1] if desk.rng.random() < 0.5 else f"{value[:2]}I{value[3:]}"
        return [Site(field)]

    return plant


def _other_person(field: str) -> Plant:
    def plant(desk: Desk, record: Record) -> list[Site] | None:
        other = person_mark(desk.person().id)
        value = record.visit[field]
        if record.person.id[0] in "IO" or other == value[6:13]:
            return None
        record.visit[field] = value[:6] + other + value[13:]
        return [Site(field)]

    return plant


def _other_time(field: str) -> Plant:
    """The id of a moment some seconds away from the one the record names."""

    def plant(_desk: Desk, record: Record) -> list[Site] | None:
        if field == "M16" and record.visit.get("M18") == "G000":
            return None  # ids of newly contracted clinics are fetched later
        value = record.visit[field]
        record.visit[field] = value[:-1] + ("1" if value[-1] != "1" else "2")
        return [Site(field)]

    return plant


def _new_contract_makeup(desk: Desk, record: Record) -> list[Site]:
    _made_up(desk, record)
    return [Site("M12")]


def _made_up(desk: Desk, record: Record) -> None:
    earlier = record.moment - 2 * DAY
    made = treatment_id(desk.institution.code, record.person.id, earlier)
    record.visit.update({"M12": "2", "M49": stamp(earlier), "M52": made})


def _refill_without_card(desk: Desk, record: Record) -> list[Site]:
    _made_up(desk, record)
    return [Site("M21")]


def _not_before_swipe(_desk: Desk, record: Record) -> list[Site]:
    record.visit.update({"M49": record.visit["M11"], "M52": record.visit["M15"]})
    return [Site("M49")]


def _too_young(_desk: Desk, record: Record) -> list[Site]:
    born = _day_of(record, "M49") - 60
    record.visit["M04"] = date_text(born)
    return [Site("M12")]


def _day_of(record: Record, field: str) -> int:
    text, day = record.visit[field][:7], record.moment // DAY
    while date_text(day) != text:
        day -= 1
    return day


def _own_placeholder(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M16"] = MISSING
    return [Site("M17")]


def _nines(desk: Desk, record: Record) -> list[Site] | None:
    others = [code for code in desk.prescribers if code != desk.institution.code]
    if not others:
        return None
    record.visit.update({"M16": NINES, "M17": desk.rng.choice(others)})
    return [Site("M07")]


def _origin_at(record: Record, moment: int) -> list[Site]:
    visit = record.visit
    made = treatment_id(visit["M17"], record.person.id, moment)
    visit.update({"M16": made, "M19": stamp(moment)})
    return [Site("M19")]


def _origin_not_before(_desk: Desk, record: Record) -> list[Site]:
    return _origin_at(record, record.moment)


def _origin_other_day(_desk: Desk, record: Record) -> list[Site]:
    return _origin_at(record, record.moment - DAY)


def _reason_without_origin(desk: Desk, record: Record) -> list[Site]:
    virtual(desk, record, "R003")
    return [Site("M07")]


def _with_orders(desk: Desk, record: Record) -> list[Site]:
    item(desk, record, "09005C")
    return [Site("MB2")]


def _without_orders(_desk: Desk, record: Record) -> list[Site]:
    record.orders.clear()
    return [Site("MB2")]


def _too_many_orders(desk: Desk, record: Record) -> list[Site]:
    while len(record.orders) <= 500:
        add(desk, record, "2", "09005C", D05="0", D11=desk.signature(40))
    return [Site("MB2")]


def _category(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M56"] = "13" if record.visit["M07"] in ("01", "03") else "14"
    return [Site("M56")]


def _test_code(desk: Desk, record: Record) -> list[Site]:
    virtual(desk, record, "PCRP-COVID19")
    return [Site("H00")]


def _no_test_code(_desk: Desk, record: Record) -> list[Site]:
    record.orders[0]["D06"] = "00109C"
    return [Site("H00")]


def _without_area(_desk: Desk, record: Record) -> list[Site]:
    del record.visit["M57"]
    return [Site("M07")]


def _newborn_count_missing(_desk: Desk, record: Record) -> list[Site]:
    del record.visit["M09"]
    return [Site("M08")]


def _newborn_too_old(_desk: Desk, record: Record) -> list[Site]:
    record.visit["M08"] = date_text(record.moment // DAY - 61)
    return [Site("M08")]


def _born_after_the_last(_desk: Desk, record: Record) -> list[Site]:
    record.visit.update({"M09": "2", "M10": "c"})
    return [Site("M09")]


FAULTS = (
    Fault("visit-after-receipt", "BD", ("plain", "treated"), _future),
    Fault("visit-too-old", "BH", ("plain", "treated"), _too_old),
    Fault("visit-before-birth", "BG", ORDINARY, _before_birth),
    Fault("person-check-digit", "AB", ORDINARY, _check_digit("M03"), "warn"),
    Fault("practitioner-check-digit", "AB", ORDINARY, _check_digit("M06"), "warn"),
    Fault("institution-check-digit", "08", ("repeated_reason",), _check_digit("M17"), "warn"),
    Fault("other-sender", "07", ("plain", "treated"), _other_institution, first=False),
    Fault("treatment-id-malformed", "D002", ("plain", "dispense"), _treatment_id("M15")),
    Fault("original-id-malformed", "D002", ("course", "dispense"), _treatment_id("M16")),
    Fault("treatment-id-other-person", "D003", ("plain", "abnormal"), _other_person("M15")),
    Fault("original-id-other-person", "D003", ("course", "dispense"), _other_person("M16")),
    Fault("treatment-id-other-time", "D005", ("plain", "treated"), _other_time("M15")),
    Fault("original-id-other-time", "D005", ("course", "dispense"), _other_time("M16")),
    Fault("actual-id-other-time", "D005", ("makeup",), _other_time("M52")),
    Fault("sequence-too-high", "AD01", ORDINARY, put("M13", "1501")),
    Fault("sequence-zero", "AD01", ORDINARY, put("M13", "0000")),
    Fault("sequence-in-abnormal", "AD02", ("abnormal",), put("M13", "0012")),
    Fault("preventive-without-ic", "AD13", ("preventive",), put("M13", "0003")),
    Fault("sequence-not-expected", "AD14", ("course", "dispense"), put("M13", "0003")),
    Fault("abnormal-code-in-normal", "AE01", ("course", "dispense"), put("M13", "A000")),
    Fault("makeup-at-new-contract", "D020", ("new_contract",), _new_contract_makeup),
    Fault("covid-code-other-benefit", "AD44", ("abnormal",), put("M13", "IC09")),
    Fault("notice-without-notice-code", "AD35", ("test_result",), put("M13", "A000")),
    Fault("actual-time-missing", "AA", ("makeup",), leave_out("M49")),
    Fault("actual-id-missing", "AA", ("makeup", "makeup_missing"), leave_out("M52")),
    Fault("actual-time-not-expected", "AF", ORDINARY, put("M49", "1140101120000")),
    Fault("actual-visit-not-before-swipe", "D060", ("makeup",), _not_before_swipe),
    Fault("miss-without-mark", "D054", ("makeup",), put("M52", MISSING)),
    Fault("newborn-too-young", "D055", ("makeup_newborn",), _too_young),
    Fault("refill-without-card", "D081", ("refill_in_house",), _refill_without_card),
    Fault("origin-missing", "AA", ("course", "dispense"), leave_out("M16")),
    Fault("origin-institution-missing", "AA", ("course", "dispense"), leave_out("M17")),
    Fault("origin-time-missing", "AA", ("course", "dispense"), leave_out("M19")),
    Fault("origin-not-before-visit", "D007", ("course",), _origin_not_before),
    Fault("second-visit-other-day", "D007", ("same_day",), _origin_other_day),
    Fault("placeholder-for-own-origin", "D085", ("course",), _own_placeholder),
    Fault("nines-for-scheduled", "D088", ("scheduled",), _nines, "warn"),
    Fault("uninsured-mother-with-origin", "D067", ("course",), put("M18", "ICND")),
    Fault("reason-without-origin", "D006", ("plain", "treated"), _reason_without_origin),
    Fault("fee-zero", "AH01", ("plain", "treated"), put("M44", "0")),
    Fault("stay-fee-zero", "AH02", ("discharge",), put("M46", "0")),
    Fault("stay-fee-for-outpatient", "AH03", ("plain", "treated"), put("M46", "300")),
    Fault("outpatient-fee-for-stay", "AH04", ("discharge",), put("M44", "300")),
    Fault("diagnosis-missing", "AH05", ("plain", "treated"), leave_out("M35")),
    Fault("covid-diagnosis-other-benefit", "AD41", ("plain",), put("M35", "U071")),
    Fault("category-not-of-visit-type", "D066", ("plain", "treated"), _category),
    Fault("area-outside-urgent-care", "D090", ("plain",), put_at("M07", "M57", "U001")),
    Fault("second-visit-with-orders", "Y013", ("same_day",), _with_orders),
    Fault("examination-without-orders", "Y012", ("scheduled",), _without_orders),
    Fault("too-many-orders", "AG", ("during_stay",), _too_many_orders),
    Fault("test-code-in-visit", "D057", ("plain", "treated"), _test_code),
    Fault("notice-without-test-code", "D061", ("test_result",), _no_test_code),
    Fault("placeholder-after-go-live", "D068", ("plain",), put("M15", BEFORE_GO_LIVE)),
    Fault("typhoon-code-elsewhere", "D079", ("dispense",), put("M16", TYPHOON)),
    Fault("metabolic-code-without-plan", "AD67", ("abnormal",), put("M13", "MSPT")),
    Fault("urgent-care-without-area", "D090", ("urgent_care",), _without_area),
    Fault("newborn-too-old", "BI", ("newborn",), _newborn_too_old),
    Fault("newborn-after-the-last", "BB02", ("newborn",), _born_after_the_last),
    Fault("newborn-count-missing", "BB", ("newborn",), _newborn_count_missing),
)

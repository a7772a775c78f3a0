"""The comparison against document 001's own reports, and against a slow recomputation."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import polars as pl
import pytest
from comparison_rows import (
    Row,
    frame,
    last_rows,
    slow_nearest,
    slow_pairs,
    slow_percent,
    visits,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.comparison.nearest import DIFFERS, with_nearest
from pipeline.comparison.pairing import pair, together
from pipeline.comparison.tally import Comparison, Tally, comparisons
from pipeline.comparison.visit_types import visit_type_name
from pipeline.comparison.window import Window, roc_date

HERE = "3500000001"

# date or type: 1.0 (A), matched (B), per cent, VPN
NOT_YET_DATES = {
    date(2023, 10, 16): (6005, 5828, 97, 1),
    date(2023, 10, 17): (6733, 6600, 98, 1),
    date(2023, 10, 18): (5600, 5535, 99, 0),
    date(2023, 10, 19): (5173, 5165, 100, 0),
    date(2023, 10, 20): (4580, 4565, 100, 0),
    date(2023, 10, 21): (1032, 1032, 100, 0),
    date(2023, 10, 22): (458, 458, 100, 0),
}
NOT_YET_TYPES = {  # they add up to 19506, not to the 29581 above: the document's own figures
    "01": (15172, 15110, 100, 2), "02": (469, 469, 100, 0), "03": (608, 608, 100, 0),
    "04": (1289, 1289, 100, 0), "05": (539, 539, 100, 0), "06": (1032, 1032, 100, 0),
    "07": (96, 96, 100, 0), "08": (301, 301, 100, 0),
}  # fmt: skip
READY_DATES = {date(2024, 3, 5): 124, date(2024, 3, 6): 114, date(2024, 3, 7): 114,
               date(2024, 3, 8): 121, date(2024, 3, 9): 94, date(2024, 3, 11): 114}  # fmt: skip
NOT_BEGUN_DATES = {
    date(2024, 3, 14): 116, date(2024, 3, 15): 80, date(2024, 3, 16): 115,
    date(2024, 3, 18): 116, date(2024, 3, 19): 104, date(2024, 3, 20): 91,
}  # fmt: skip
NOT_BEGUN_TYPES = {"01": 193, "06": 1, "AA": 415, "AC": 12, "DA": 1}


def sent(rows: list[Row], matched: int, vpn: int = 0) -> list[Row]:
    """The first of the visits as pre-checks, the first of those by VPN."""
    return [
        Row(r.institution, f"P{r.visit_key}", 2, r.record, r.visit_date, *r.keys(), vpn=n < vpn)
        for n, r in enumerate(rows[:matched])
    ]


def compared(v1: list[Row], prechecked: list[Row], as_of: date) -> Comparison:
    paired = pair(frame(v1, v1=True), frame(prechecked))
    (one,) = comparisons(paired.counts, Window(as_of))
    return one


def told(tally: Tally) -> tuple[int, int, int | None, int]:
    return tally.v1, tally.matched, tally.percent, tally.vpn


def test_first_report_of_the_document_by_date() -> None:
    v1, prechecked = list[Row](), list[Row]()
    for day, (count, matched, _, vpn) in NOT_YET_DATES.items():
        rows = visits(HERE, day, "01", count)
        v1 += rows
        prechecked += sent(rows, matched, vpn)
    one = compared(v1, prechecked, date(2023, 10, 23))
    assert told(one.total) == (29581, 29183, 99, 2)
    assert one.total.web_api == 29181
    assert [(day, told(tally)) for day, tally in one.by_date] == list(NOT_YET_DATES.items())
    assert not one.qualified
    assert roc_date(one.by_date[0][0]) == "1121016"


def test_first_report_of_the_document_by_visit_type() -> None:
    day = date(2023, 10, 16)
    v1, prechecked = list[Row](), list[Row]()
    for at, (code, (count, matched, _, vpn)) in enumerate(NOT_YET_TYPES.items()):
        rows = visits(HERE, day, code, count, start=at * 20_000)
        v1 += rows
        prechecked += sent(rows, matched, vpn)
    one = compared(v1, prechecked, date(2023, 10, 23))
    assert [(code, told(tally)) for code, tally in one.by_visit_type] == list(NOT_YET_TYPES.items())
    # 100 % everywhere, yet two came by VPN
    assert one.total.percent == 100
    assert not one.qualified


def test_second_report_of_the_document_is_qualified_and_leaves_out_the_sunday() -> None:
    v1 = [r for day, count in READY_DATES.items() for r in visits(HERE, day, "01", count)]
    one = compared(v1, sent(v1, len(v1)), date(2024, 3, 12))
    assert told(one.total) == (681, 681, 100, 0)
    assert one.total.web_api == 681
    assert [(day, told(t)) for day, t in one.by_date] == [
        (day, (count, count, 100, 0)) for day, count in READY_DATES.items()
    ]
    assert date(2024, 3, 10) in Window(date(2024, 3, 12)).days()
    assert one.qualified


def test_third_report_of_the_document_has_not_begun() -> None:
    types = [code for code, count in NOT_BEGUN_TYPES.items() for _ in range(count)]
    days = [day for day, count in NOT_BEGUN_DATES.items() for _ in range(count)]
    each = enumerate(zip(days, types, strict=True))
    v1 = [visits(HERE, day, code, 1, start=n)[0] for n, (day, code) in each]
    one = compared(v1, [], date(2024, 3, 21))
    assert told(one.total) == (622, 0, 0, 0)
    assert [(day, tally.v1) for day, tally in one.by_date] == list(NOT_BEGUN_DATES.items())
    assert {code: tally.v1 for code, tally in one.by_visit_type} == NOT_BEGUN_TYPES
    assert [code for code, _ in one.by_visit_type] == list(NOT_BEGUN_TYPES)
    assert not one.qualified
    assert [visit_type_name(code)[0] for code in NOT_BEGUN_TYPES] == [
        "西醫門診", "門診轉診就醫", "同一療程項目以6次以內治療為限者", "預防保健", "門診轉出",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("v1", "matched", "percent"),
    [(200, 199, 100), (1000, 994, 99), (1000, 995, 100), (3, 2, 67), (8, 1, 13), (0, 0, None)],
)
def test_per_cent_is_rounded_half_up(v1: int, matched: int, percent: int | None) -> None:
    assert Tally(v1, matched).percent == percent
    assert slow_percent(matched, v1) == percent


DAYS = [date(2024, 3, 14) + timedelta(n) for n in range(3)]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    day = draw(st.sampled_from(DAYS))
    clock = draw(st.sampled_from(["080000", "080001", "083000", "235959"]))
    return Row(
        institution=draw(st.sampled_from(["3500000001", "3500000002"])),
        visit_key=draw(st.sampled_from([f"K{n}" for n in range(12)])),
        sequence=draw(st.integers(1, 4)),
        record=draw(st.integers(1, 1_000)),
        visit_date=day,
        id=draw(st.sampled_from(["A123456789", "B223456789", "", None])),
        birth=draw(st.sampled_from(["0820101", "0820102"])),
        moment=roc_date(day) + clock,
        type=draw(st.sampled_from(["01", "AA"])),
        vpn=draw(st.booleans()),
    )


def distinct(made: list[Row]) -> list[Row]:
    """No two rows at one place: a record holds one visit."""
    return list({(r.sequence, r.record): r for r in made}.values())


many = st.lists(rows(), max_size=25).map(distinct)
TIE = Row(HERE, "K1", 1, 1, DAYS[0], "A123456789", "0820101", "1130314080001", "01")
EARLIER = Row(HERE, "K2", 1, 2, DAYS[0], "A123456789", "0820101", "1130314080000", "01")


@settings(max_examples=40, deadline=None)
@given(many, many)
def test_counts_agree_with_a_slow_recomputation(v1: list[Row], prechecked: list[Row]) -> None:
    one_by_one = slow_pairs(v1, prechecked)
    found = {
        one.institution: one
        for one in comparisons(
            pair(frame(v1, v1=True), frame(prechecked)).counts, Window(date(2024, 3, 21))
        )
    }
    assert set(found) == {one.institution for one, _ in one_by_one}
    for name, comparison in found.items():
        mine = [(a, b) for a, b in one_by_one if a.institution == name]
        for listed, key in (
            (comparison.by_date, lambda r: r.visit_date),
            (comparison.by_visit_type, lambda r: r.type),
        ):
            assert [of for of, _ in listed] == sorted({key(a) for a, _ in mine})
            for of, tally in listed:
                part = [(a, b) for a, b in mine if key(a) == of]
                by_vpn = Counter(b.vpn for _, b in part if b is not None)
                assert tally == Tally(len(part), by_vpn.total(), by_vpn[True])
                assert tally.percent == slow_percent(tally.matched, tally.v1)
        total = comparison.total
        assert (total.v1, total.matched) == (len(mine), sum(b is not None for _, b in mine))
        complete = slow_percent(total.matched, total.v1) == 100
        assert comparison.qualified == (complete and not total.vpn)


@settings(max_examples=40, deadline=None)
@given(many, many)
def test_visit_dates_may_be_compared_one_by_one(v1: list[Row], prechecked: list[Row]) -> None:
    v1, prechecked = last_rows(v1), last_rows(prechecked)
    whole = pair(frame(v1, v1=True), frame(prechecked))
    by_day = [
        pair(
            frame((r for r in v1 if r.visit_date == day), v1=True),
            frame(r for r in prechecked if r.visit_date == day),
        )
        for day in DAYS
    ]
    window = Window(date(2024, 3, 21))
    parts = together(by_day)
    assert list(comparisons(parts.counts, window)) == list(comparisons(whole.counts, window))
    assert sorted(parts.spare["visit_key"]) == sorted(whole.spare["visit_key"])


@settings(max_examples=40, deadline=None)
@given(many, many)
@example([TIE], [EARLIER])
def test_nearest_candidate_agrees_with_looking_at_every_one(
    v1: list[Row], prechecked: list[Row]
) -> None:
    unmatched = [one for one, other in slow_pairs(v1, prechecked) if other is None]
    taken = {(one.institution, *one.keys()) for one, other in slow_pairs(v1, prechecked) if other}
    spare: dict[tuple[object, ...], Row] = {}
    for row in sorted(last_rows(prechecked), key=lambda r: (r.sequence, r.record)):
        if (row.institution, *row.keys()) not in taken:
            spare[(row.institution, *row.keys())] = row
    paired = pair(frame(v1, v1=True), frame(prechecked))
    found = {
        row["visit_key"]: row
        for row in with_nearest(paired.unmatched, paired.spare).iter_rows(named=True)
    }
    assert set(found) == {one.visit_key for one in unmatched}
    for one in unmatched:
        expected, row = slow_nearest(one, list(spare.values())), found[one.visit_key]
        if expected is None:
            assert row[DIFFERS] is None
            assert row["found_id"] is None
        else:
            assert set(row[DIFFERS].split()) == expected[0]
            assert (row["found_visit_key"], row["found_record"]) == (
                expected[1].visit_key,
                expected[1].record,
            )
            assert tuple(row[f"found_{k}"] for k in ("id", "birth", "moment", "type")) == (
                tuple(key or None for key in expected[1].keys())  # noqa: SIM118
            )


def test_a_moment_that_cannot_be_read_is_never_near() -> None:
    odd = Row(HERE, "K1", 1, 1, DAYS[0], "A123456789", "0820101", "113031408", "01")
    there = Row(HERE, "P1", 2, 1, DAYS[0], "A123456789", "0820101", "1130314080000", "01")
    paired = pair(frame([odd], v1=True), frame([there]))
    assert with_nearest(paired.unmatched, paired.spare)[DIFFERS].to_list() == [None]
    assert isinstance(paired.unmatched, pl.DataFrame)

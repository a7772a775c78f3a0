"""Reference tables: lookups against their plain twin, periods, checks of files, refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from batches import make_batch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import reference as twin
from oracle.reference import Tables
from oracles import Row
from reference_tables import references_of

from pipeline.core import process_many
from pipeline.outcome import Envelope
from pipeline.reference.folder import read_folder, samples
from pipeline.references import NONE, hash_of
from pipeline.validate.leave_out import without
from pipeline.validate.validate import refused, validate
from rules import load_plan
from rules.compile import compile_rules
from rules.expression import parse
from rules.plan import undecided
from schemas.reference import REFERENCE_TABLES
from tests.oracle.interpreter import evaluate
from tests.test_rules.planned import rule_of

RECEIVED = datetime(2025, 4, 2, 12, 0, tzinfo=UTC)
SENDER = "3502060427"
DAYS = [date(2024, 12, 30) + timedelta(days=n) for n in range(8)]
ROC = [f"{day.year - 1911:03}{day:%m%d}" for day in DAYS]
CODES = ["A001", "A0011", "A00", "B42", "A" * 12]
PLACES = [SENDER, "1101110026", "3502060428"]


@st.composite
def periods(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Periods that don't overlap, some unbounded, some next to each other."""
    cuts = sorted(draw(st.sets(st.integers(0, len(DAYS) - 1), max_size=4)))
    edges = ["", *(DAYS[cut].isoformat() for cut in cuts), ""]
    return [span for span in pairwise(edges) if draw(st.booleans())]


def keyed(*columns: list[str]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Rows of a table whose keys come from ``columns``, with periods."""
    keys = st.lists(st.tuples(*map(st.sampled_from, columns)), unique=True, max_size=5)
    return keys.flatmap(
        lambda found: st.tuples(*(st.tuples(st.just(key), periods()) for key in found))
    ).map(lambda found: [(key, span) for key, spans in found for span in spans])


def named(table: str, rows: list[tuple[tuple[str, ...], tuple[str, str]]]) -> list[dict[str, str]]:
    names = [column.name for column in REFERENCE_TABLES[table].keys]
    return [
        dict(zip(names, key, strict=True))
        | {"from": start, "until": stop}
        | ({"sex": "12"[len(key[0]) % 2]} if table == "diagnoses" else {})
        for key, (start, stop) in rows
    ]


EXPRESSIONS = (
    'known("drugs", D06, at=D01)',
    'known("drugs", D06)',
    'known("drugs", D06, at=M11)',
    'known("beds", M05, M50, at=M11)',
    'known("correctional_institutions", M05, D06, at=D01)',
    'known("institution_plans", sender, "VC", at=received)',
    'known("institution_plans", M05, "VC", at=M04)',
    'known("fee_items", D06, at=D01)',
    'lookup("diagnoses", M35, "sex", at=M11) == 1',
    'since("go_live", M05) <= M04',
    'since("go_live", sender) <= date(M11)',
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, list[dict[str, str]]], list]:
    """Some tables, and records that ask for what may be in them."""
    shapes = {
        "drugs": (CODES,), "beds": (PLACES, ["101", "HB"]), "diagnoses": (["J00", "J000"],),
        "correctional_institutions": (PLACES, CODES[:3]), "go_live": (PLACES,),
        "institution_plans": (PLACES, ["VC", "PB"]),
    }  # fmt: skip
    tables = {
        name: named(name, draw(keyed(*columns)))
        for name, columns in shapes.items()
        if draw(st.integers(0, 4))
    }
    moment = st.sampled_from(ROC).map(lambda day: day + "093012")
    visit = st.fixed_dictionaries(
        {},
        optional={
            "M05": st.sampled_from([*PLACES, "12"]), "M11": moment, "M04": st.sampled_from(ROC),
            "M50": st.sampled_from(["101", "HB", "9"]), "M35": st.sampled_from(["J00", "J000"]),
        },
    )  # fmt: skip
    code = st.sampled_from([*CODES, "中"])
    order = st.fixed_dictionaries({}, optional={"D06": code, "D01": moment})
    return tables, draw(st.lists(st.tuples(visit, st.lists(order, max_size=3)), max_size=4))


BOTH = [text for asked in EXPRESSIONS for text in (asked, f"not ({asked})")]
PLAN = compile_rules(rule_of(text, f"test/{n}") for n, text in enumerate(BOTH))


def oracle_truths(visits: list, sender: str | None, tables: Tables) -> set:
    """(expression, record, order or -1) of all that is true."""
    found = set()
    for number, (record, orders) in enumerate(visits):
        of_record = Row(record, orders, RECEIVED, sender, tables=tables)
        for text in BOTH:
            for row in of_record.each_order() if "D0" in text else [of_record]:
                if evaluate(parse(text), row) is True:
                    found.add((text, number, -1 if row.order is None else row.order))
    return found


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sampled_from([*PLACES, None]))
def test_lookups_say_what_the_plain_table_says(world: tuple, sender: str | None) -> None:
    tables, visits = world
    batch = make_batch(visits, uploads=[len(visits)])
    findings, _, _ = validate(batch, PLAN, [Envelope(RECEIVED, sender)], references_of(tables))
    texts = [BOTH[int(PLAN.rules[rule].id.partition("/")[2])] for rule in findings.rule]
    places = zip(texts, findings.record.tolist(), findings.order.tolist(), strict=True)
    assert set(places) == oracle_truths(visits, sender, tables)


@given(
    st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from("01")), unique_by=lambda r: r[0]),
    st.sampled_from(DAYS), st.sampled_from([*DAYS, date(2023, 12, 31)]),
)  # fmt: skip
def test_working_days_are_counted_one_by_one(rows: list, after: date, until: date) -> None:
    tables = {"holidays": [{"from": day.isoformat(), "until": "", "working": w} for day, w in rows]}
    roc = [f"{day.year - 1911:03}{day:%m%d}" for day in (after, until)]
    plan = compile_rules([rule_of(f"working_days(M04, M08) == {n}", f"test/{n}")
                          for n in range(12)])  # fmt: skip
    batch = make_batch([({"M04": roc[0], "M08": roc[1]}, [])])
    findings, _, _ = validate(batch, plan, [Envelope(RECEIVED)], references_of(tables))
    expected = twin.working_days(tables, after, until)
    named = [plan.rules[rule].id for rule in findings.rule]
    assert named == ([f"test/{expected}"] if expected in range(12) else [])


def test_without_its_table_nothing_is_found_and_the_check_is_named() -> None:
    plan = compile_rules([rule_of('not known("drugs", D06)', "test/drug")])
    batch = make_batch([({}, [{"D06": "X"}])])
    assert len(validate(batch, plan, [Envelope(RECEIVED)], NONE)[0]) == 0
    assert undecided(plan, {}) == [("test/drug", "drugs")]
    assert undecided(plan, {"drugs"}) == []
    empty = references_of({"drugs": []})
    assert len(validate(batch, plan, [Envelope(RECEIVED)], empty)[0]) == 1


def test_a_rule_that_refuses_takes_the_whole_upload_and_no_other() -> None:
    text = 'official and not known("go_live", sender, at=received)'
    plan = compile_rules([rule_of(text, severity="refuse")])
    tables = references_of({"go_live": [{"institution": SENDER, "from": "", "until": ""}]})
    batch = make_batch(
        [({"M10": "中"}, [{"D15": "藥"}, {}]), ({"M10": "乙"}, [{"D15": "水"}]), ({}, [])],
        uploads=[1, 1, 1],
    )
    senders = [Envelope(RECEIVED, place) for place in (PLACES[1], SENDER, None)]
    assert list(refused(batch, plan, senders, tables)) == [0]
    assert refused(batch, plan, [replace(e, mode="precheck") for e in senders], tables) == {}
    assert refused(batch, plan, senders) == {}
    left = without(batch, [0])
    assert left.first_record.tolist() == [0, 0, 1, 2]
    assert (left.orders.rows, left.first_order.tolist()) == (1, [0, 1, 1])
    assert left.place(True, 14, 0) == batch.place(True, 14, 2)
    assert left.moved.row.tolist() == [0, 0]
    assert np.array_equal(left.order_record, [0])


def test_samples_are_tables_and_keep_their_versions() -> None:
    found = read_folder(samples())
    assert hash_of(found.versions) == hash_of(read_folder(samples()).versions)
    assert {"institutions", "holidays", "drugs"} <= found.tables.keys()


def test_processing_carries_the_snapshot(sample: Path) -> None:
    tables = read_folder(samples())
    made = process_many([sample.read_bytes()], [Envelope(RECEIVED)], load_plan(), references=tables)
    assert made.references is tables


@pytest.fixture
def sample() -> Path:
    return Path(__file__).parents[1] / "fixtures" / "samples" / "01_cm_clinic_normal_A.xml"

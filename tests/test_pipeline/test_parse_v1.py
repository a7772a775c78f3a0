"""Format 1.0 through the parser: its fields, their places, and what doesn't belong."""

from __future__ import annotations

from datetime import datetime

import pytest

from pipeline.columns import FAULT_CODES
from pipeline.core import process, process_many
from pipeline.outcome import Envelope
from pipeline.parse.arrow import order_table, visit_table
from pipeline.parse.parse import ParserChoice, parse_many
from pipeline.taipei import TAIPEI
from pipeline.validate.leave_out import without
from rules import load_plan
from rules.load import load_bases
from schemas import V1, V2
from tests.proof.documents import document

BASES = load_bases(version="1.0")
PLAN = load_plan(version="1.0")
UPLOADS = [document(base.record, base.orders) for base in BASES.values()]
RECEIVED = datetime(2024, 3, 20, 21, 0, tzinfo=TAIPEI)
BOTH: list[ParserChoice] = ["fast", "lxml"]


@pytest.mark.parametrize("parser", BOTH)
def test_every_value_stands_in_its_column(parser: ParserChoice) -> None:
    parsed = parse_many(UPLOADS, parser=parser, version=V1)
    assert parsed.refusals == (None,) * len(UPLOADS)
    assert len(parsed.batch.faults.record) == 0
    visits, orders = visit_table(parsed.batch), order_table(parsed.batch)
    assert visits.column_names == list(V1.visit_fields)
    assert orders.column_names == list(V1.order_fields)
    said = [{k: v for k, v in row.items() if v is not None} for row in visits.to_pylist()]
    assert said == [base.record for base in BASES.values()]
    ordered = [{k: v for k, v in row.items() if v is not None} for row in orders.to_pylist()]
    assert ordered == [order for base in BASES.values() for order in base.orders]


@pytest.mark.parametrize("parser", BOTH)
def test_a_field_of_every_id_in_use_is_taken(parser: ParserChoice) -> None:
    record = dict.fromkeys(V1.visit_fields, "x")
    order = dict.fromkeys(V1.order_fields, "y")
    batch = parse_many([document(record, [order])], parser=parser, version=V1).batch
    assert len(batch.faults.record) == 0
    assert (batch.visits.length == 1).all()
    assert (batch.orders.length == 1).all()


@pytest.mark.parametrize("parser", BOTH)
@pytest.mark.parametrize(
    ("old", "new", "code", "name"),
    [
        (b"<A12>A199999999</A12>", b"<M03>A199999999</M03>", "Y004", "M03"),
        (b"<A12>A199999999</A12>", b"<A65>x</A65>", "Y004", "A65"),
        (b"<A12>A199999999</A12>", b"<A02>1.0</A02>", "Y005", "A02"),
        (b"<A12>A199999999</A12>", b"<A71>x</A71>", "Y005", "A71"),
        (b"<A02>1.0</A02>", b"<A12>x</A12>", "Y005", "A12"),
        (b"<A72>3</A72>", b"<A18>3</A18>", "Y005", "A18"),
        (b"<A72>3</A72>", b"<A72>3</A72><A72>3</A72>", "Y005", "A72"),
    ],
)
def test_what_stands_in_the_wrong_place_is_a_fault(
    parser: ParserChoice, old: bytes, new: bytes, code: str, name: str
) -> None:
    payload = UPLOADS[0].replace(old, new, 1)
    assert payload != UPLOADS[0]
    faults = parse_many([payload], parser=parser, version=V1).batch.faults
    assert [FAULT_CODES[c] for c in faults.code] == [code]
    assert [faults.names[n] for n in faults.name] == [name]


def test_uploads_that_are_left_out_keep_the_format() -> None:
    batch = parse_many(UPLOADS, version=V1).batch
    assert without(batch, [0]).layout == V1.layout
    assert parse_many([], version=V1).batch.visits.offset.shape == (len(V1.visit_fields), 0)
    assert parse_many([]).batch.visits.offset.shape == (len(V2.visit_fields), 0)


def test_the_sender_is_the_first_a14() -> None:
    at = Envelope(RECEIVED)
    assert process(UPLOADS[0], at, PLAN).envelopes[0].institution == "3999019987"


@pytest.mark.parametrize("parser", BOTH)
def test_records_of_two_formats_in_one_upload(parser: ParserChoice) -> None:
    """The first record says what the upload is in; the others' fields are unknown."""
    record = document({"H00": "1", "H01": "A", "M03": "x"}, [{"D06": "B41"}])
    start, stop = record.index(b"<REC>"), record.index(b"</RECS>")
    mixed = UPLOADS[0].replace(b"</RECS>", record[start:stop] + b"</RECS>")
    made = process_many([mixed], [Envelope(RECEIVED)], PLAN, parser)
    assert made.refusals == (None,)
    assert made.counts(0).records_accepted == made.counts(0).records_rejected == 1
    found = {made.findings.names[name] for name in made.findings.field.tolist()}
    assert found == {"H00", "H01", "M03", "D06"}
    assert {PLAN.rules[rule].code for rule in made.findings.rule.tolist()} == {"Y004"}

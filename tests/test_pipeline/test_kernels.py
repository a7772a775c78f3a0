"""Every kernel against its plain twin, on random cells."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from batches import make_batch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import OP_TWINS, PlanRun, Row
from random_cells import every_likely, every_long, visits_of

from pipeline.kernels.circuit import JOINS, circuit_of
from pipeline.kernels.context import Context, Senders
from pipeline.kernels.on_fields import fields_of
from pipeline.kernels.ops import KERNELS
from pipeline.kernels.orders import MANY
from pipeline.kernels.run import bind
from pipeline.outcome import Envelope
from rules.codes import closed_list
from rules.ops import ASPECTS, FALSE, MAYBE, OPS, TRUE, UNKNOWN
from rules.plan import Node, Plan
from schemas import fields

RECEIVED = datetime(2025, 3, 5, 1, 30, 12, tzinfo=UTC)
SENDER = "3502060427"
TEXT_FIELDS = ["M10", "M13", "M33", "M35", "M05", "M07", "D06", "D07", "D15", "D03"]
TREATMENT_FIELDS = ["M15", "M16", "M52"]
VALUE_TYPES = {"number": "number", "decimal": "number", "date": "day", "datetime": "moment"}


def on(op: str, field: str, *params: object, gives: str = "truth") -> Node:
    return Node(op, (field, *params), (), "order" if fields()[field].is_order else "record", gives)


def value(field: str) -> Node:
    return on("value", field, gives=VALUE_TYPES[fields()[field].kind])


NUMBERS = [value("M20"), value("M30"), Node("constant", ("number", 7), (), "record", "number")]
DAY_OF_ORDER = [value("D01"), Node("date", (), (0,), "order", "day")]
D06 = (("field", "D06"),)
TRUTHS = [on("member", "M07", ("01", "AE")), on("filled", "M20"), on("consecutive", "M33")]
LEAVES: dict[str, list[Node]] = {
    "filled": [on("filled", f) for f in fields()],
    "malformed": [on("malformed", f, a) for f in fields() for a in ASPECTS],
    "unlisted": [on("unlisted", f) for f in fields() if closed_list(f)],
    "value": [value(f) for f in fields() if fields()[f].kind in VALUE_TYPES],
    "member": [
        on("member", f, codes)
        for f in TEXT_FIELDS + TREATMENT_FIELDS
        for codes in (("01", "AE", "V001"), ("MISS0000000000000000", "A1", "A123"), ())
    ],
    "same_text": [on("same_text", "M05", "M17"), on("same_text", "D13", "D15")],
    "is_sender": [on("is_sender", "M05"), on("is_sender", "D12")],
    "starts": [on("starts", f, p) for f in TEXT_FIELDS for p in ("A", "A12", "0")],
    "matches": [
        on("matches", f, shape)
        for f in [*TEXT_FIELDS, "M20", "M11"]
        for shape in ("[A-Z][0-9]{2,3}", "0?7|V0{2}1", "[0-9]{1,7}", "A-1|J[0-9]{2}")
    ],
    **{
        op: [on(op, f, gives=gives) for f in TEXT_FIELDS]
        for op, gives in (
            ("size", "number"), ("letter", "number"), ("first", "number"), ("last", "number"),
            ("consecutive", "truth"),
        )
    },
    "special": [on("special", f) for f in TREATMENT_FIELDS],
    "holds_person": [on("holds_person", f, p) for f in TREATMENT_FIELDS for p in ("M03", "M06")],
    "moment_of": [on("moment_of", f, gives="moment") for f in TREATMENT_FIELDS],
    "person_check": [on("person_check", "M03"), on("person_check", "M06")],
    "institution_check": [on("institution_check", f) for f in ("M05", "M17", "D12")],
    "sex": [on("sex", "M03", gives="number")],
    "repeated": [on("repeated", f) for f in ("D03", "D06", "D10", "D01", "D15")],
    "known": [*DAY_OF_ORDER, Node("known", ("drugs", D06), (1,), "order", "truth")],
    "ever_known": [Node("ever_known", ("drugs", D06), (), "order", "truth")],
    "lookup": [*DAY_OF_ORDER, Node("lookup", ("diagnoses", D06, "sex"), (1,), "order", "number")],
    "since": [Node("since", ("go_live", (("sender", ""),)), (), "record", "day")],
    "constant": [NUMBERS[2], Node("constant", ("day", -5), (), "order", "day")],
    "received": [Node("received", (), (), "record", "moment")],
    "official": [Node("official", (), (), "record", "truth")],
    "vpn": [Node("vpn", (), (), "record", "truth")],
    "orders": [Node("orders", (), (), "record", "number")],
}  # fmt: skip


def plan_of(op: str) -> Plan:
    """A small plan that uses one operation in every way it can be used."""
    if op in LEAVES:
        return Plan(tuple(LEAVES[op]), (), "")
    if op in ("some", "every", "count"):
        inner = [on("member", "D02", ("1", "2")), on("malformed", "D10", "any")]
        gives = "number" if op == "count" else "truth"
        return Plan((*inner, *(Node(op, (), (i,), "record", gives) for i in range(2))), (), "")
    if op == "spread":
        inner = [TRUTHS[0], value("M20")]
        return Plan(
            (*inner, *(Node(op, (), (i,), "order", n.type) for i, n in enumerate(inner))), (), ""
        )
    if op in ("date", "month"):
        date = Node("date", (), (0,), "record", "day")
        month = Node("month", (), (2,), "record", "number")
        return Plan((value("M11"), date, value("M04"), month), (), "")
    if op == "or_zero":
        return Plan((NUMBERS[0], Node(op, ("M20",), (0,), "record", "number")), (), "")
    leaves = TRUTHS if OPS[op].args[0] == "truth" else NUMBERS
    pairs = [(a, b) for a in range(3) for b in range(3)]
    if op == "working_days":
        leaves, pairs = [value("M04"), value("M08")], [(0, 1)]
    if op == "not":
        pairs = [(a,) for a in range(3)]
    gives = leaves[0].type if OPS[op].gives == "same" else OPS[op].gives
    return Plan((*leaves, *(Node(op, (), pair, "record", gives) for pair in pairs)), (), "")


def columns_of(plan: Plan, visits: list, senders: Senders) -> list[np.ndarray]:
    received = np.array([int(RECEIVED.timestamp()) + 8 * 3600], np.int64)
    envelopes = [Envelope(RECEIVED)]
    ctx = Context(make_batch(visits), received, senders, bind(plan).readers, envelopes=envelopes)
    columns: list[np.ndarray] = []
    for index, node in enumerate(plan.nodes):
        args = [columns[arg] for arg in node.args]
        if node.op in JOINS:
            alone = circuit_of(plan.nodes, [index], {index}, ())
            *_, made = alone.run(ctx, dict(zip(node.args, args, strict=True)))
            columns.append(made[index])
        else:
            columns.append(KERNELS[node.op](ctx, node.params, args, node.scope))
    return columns


def plain(column: np.ndarray) -> list[bool | int | None]:
    if column.dtype == np.uint8:
        return [{FALSE: False, TRUE: True, MAYBE: None}[answer] for answer in column.tolist()]
    assert column.dtype == np.int64
    return [None if number == UNKNOWN else number for number in column.tolist()]


def test_every_operation_has_a_kernel_and_a_twin() -> None:
    assert KERNELS.keys() | JOINS == OPS.keys() == OP_TWINS.keys()
    assert not KERNELS.keys() & JOINS


def check(plan: Plan, visits: list, sender: str | None) -> None:
    """Every node's column holds what its twin gives, row by row."""
    code = bytearray((sender or "").encode())
    places = np.zeros(1, np.int32), np.array([len(code)], np.int32)
    columns = columns_of(plan, visits, Senders(np.frombuffer(code, np.uint8), *places))
    runs = [
        (PlanRun(plan, Row(record, orders, RECEIVED, sender)), range(len(orders)))
        for record, orders in visits
    ]
    for index, node in enumerate(plan.nodes):
        if node.scope == "order":
            expected = [run.value(index, order) for run, orders in runs for order in orders]
        else:
            expected = [run.value(index) for run, _ in runs]
        assert plain(columns[index]) == expected, node


@pytest.mark.parametrize("op", OPS)
def test_kernel_gives_what_its_twin_gives(op: str) -> None:
    plan = plan_of(op)
    assert any(node.op == op for node in plan.nodes)
    names = list(dict.fromkeys(name for node in plan.nodes for name in fields_of(node)))
    check(plan, every_likely(names, rows=90), SENDER)
    check(plan, every_long(names), SENDER)

    @settings(max_examples=50 if len(names) > 10 else 150, deadline=None)
    @given(visits_of(names or ["M20", "D03"]), st.sampled_from([SENDER, None]))
    def at_random(visits: list, sender: str | None) -> None:
        check(plan, visits, sender)

    at_random()


NEVER_UNKNOWN = ("filled", "malformed", "unlisted")
ASKED_WITH_TABLES = ("known", "ever_known", "official", "vpn")  # see test_references


@pytest.mark.parametrize(
    "op", [op for op in OPS if OPS[op].gives == "truth" and op not in ASKED_WITH_TABLES]
)
def test_likely_cells_bring_every_answer(op: str) -> None:
    """Or kernel and twin would agree on nothing but blanks."""
    plan = plan_of(op)
    names = list(dict.fromkeys(name for node in plan.nodes for name in fields_of(node)))
    code = np.frombuffer(bytearray(SENDER.encode()), np.uint8)
    senders = Senders(code, np.zeros(1, np.int32), np.array([len(code)], np.int32))
    columns = columns_of(plan, every_likely(names, rows=90) + every_long(names), senders)
    answers = {
        answer
        for node, column in zip(plan.nodes, columns, strict=True)
        if node.op == op
        for answer in plain(column)
    }
    assert answers >= ({True, False} if op in NEVER_UNKNOWN else {True, False, None})


@pytest.mark.parametrize("orders", [MANY - 1, MANY, 2 * MANY])
def test_repeated_among_many_orders(orders: int) -> None:
    """Among so many orders each is no longer held against each."""
    names = [node.params[0] for node in LEAVES["repeated"]]
    rows = every_likely(names, rows=orders)
    alike: list = [({}, [order for _, both in rows for order in both][:orders])]
    apart: list = [({}, [{"D03": str(n), "D06": f"A{n}"} for n in range(orders)])]
    check(plan_of("repeated"), [*alike, ({}, [{"D03": "1"}]), *apart], SENDER)


def test_codes_of_closed_lists_are_well_formed() -> None:
    """``unlisted`` relies on it: a malformed value is never in its list."""
    from tests.oracle.cells import fault_of

    broken = [(f, c) for f in fields() for c in closed_list(f) or () if fault_of(f, c)]
    assert broken == []

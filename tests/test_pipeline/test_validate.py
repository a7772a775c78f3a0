"""Validation against the oracle, and its own duties: silence, subsumption, order, places."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from batches import Visit, make_batch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.examples import distinct_examples, example_row
from oracle.findings import row_findings
from oracle.record import Row
from oracles import oracle_findings
from random_cells import cell
from reference_tables import references_of

from pipeline.columns import FAULT_CODES, Faults
from pipeline.outcome import Envelope, Findings, Verdict
from pipeline.validate.validate import refused, validate
from rules import load_plan, load_rules
from rules.load import load_bases
from rules.plan import Node, Plan, PlannedRule
from schemas import ORDER_FIELDS, VISIT_FIELDS, fields
from tests.proof.engine import envelope_of

RECEIVED = datetime(2025, 4, 2, 12, 55, tzinfo=UTC)
ENVELOPE = Envelope(RECEIVED)


def listed(
    findings: Findings, plan: Plan, record: int
) -> list[tuple[str, int | None, str, str, str]]:
    """Findings of one record as the oracle gives them."""
    found = []
    for row in np.flatnonzero(findings.record == record).tolist():
        rule = plan.rules[findings.rule[row]]
        order = int(findings.order[row])
        name = findings.names[findings.field[row]]
        found.append((name, None if order < 0 else order, rule.code, rule.id, rule.severity))
    return found


# the whole catalogue


def test_every_example_is_judged_as_by_the_oracle() -> None:
    rules, bases = load_rules(), load_bases()
    examples = [example_row(example, bases) for example in distinct_examples(rules).values()]
    assert judged_as_by_the_oracle([row for row in examples if not row.tables]) > 100
    for row in examples:
        if row.tables:
            judged_as_by_the_oracle([row])


def judged_as_by_the_oracle(rows: list[Row]) -> int:
    """Hold the findings on these records against the oracle; how many there are."""
    rules, plan, tables = load_rules(), load_plan(), references_of(rows[0].tables)
    batch = make_batch([(row.record, row.orders) for row in rows], uploads=[1] * len(rows))
    envelopes = [envelope_of(row) for row in rows]
    findings, _, _ = validate(batch, plan, envelopes, tables)
    refusals = refused(batch, plan, envelopes, tables)
    for number, row in enumerate(rows):
        expected = row_findings(row, rules)
        refusing = [found[2] for found in expected if found[-1] == "refuse"]
        assert [refusals[n] for n in refusals if n == number] == refusing
        expected = [found for found in expected if found[-1] != "refuse"]
        assert listed(findings, plan, number) == expected, row
    return len(findings)


@cache
def _bases() -> list[tuple[dict[str, str], list[dict[str, str]], str]]:
    return [(base.record, list(base.orders), base.sender) for base in load_bases().values()]


@st.composite
def mutated_visits(draw: st.DrawFn) -> tuple[Visit, str]:
    """A valid record with one to four cells changed, dropped or added."""
    record, orders, sender = draw(st.sampled_from(_bases()))
    record, orders = dict(record), [dict(order) for order in orders]
    for _ in range(draw(st.integers(1, 4))):
        target = draw(st.sampled_from([record, record, *orders]))
        names = VISIT_FIELDS if target is record else ORDER_FIELDS
        name = draw(st.sampled_from([*names, *target]))
        target.pop(name, None)
        if draw(st.integers(0, 4)):
            target[name] = draw(cell(fields()[name]))
    if orders and draw(st.booleans()):
        orders.append(dict(draw(st.sampled_from(orders))))
    return (record, orders), sender


@settings(max_examples=40, deadline=None)
@given(st.lists(mutated_visits(), min_size=1, max_size=6))
def test_mutated_records_are_judged_as_by_the_oracle(drawn: list[tuple[Visit, str]]) -> None:
    plan, rules = load_plan(), load_rules()
    batch = make_batch([visit for visit, _ in drawn], uploads=[1] * len(drawn))
    findings, verdict, order_verdict = validate(
        batch, plan, [Envelope(RECEIVED, sender) for _, sender in drawn]
    )
    for number, ((record, orders), sender) in enumerate(drawn):
        expected = oracle_findings(record, orders, rules, RECEIVED, sender)
        assert listed(findings, plan, number) == expected
        assert verdict[number] == worst(severity for *_, severity in expected)
        for order in range(len(orders)):
            own = worst(found[-1] for found in expected if found[1] == order)
            assert order_verdict[batch.first_order[number] + order] == own


def worst(severities: object) -> Verdict:
    kinds = set(severities)
    if kinds - {"warn"}:
        return Verdict.REJECTED
    return Verdict.WARNED if kinds else Verdict.ACCEPTED


# its own duties, on a plan of a few rules

NODES = (
    Node("filled", ("M10",), (), "record", "truth"),
    Node("filled", ("M13",), (), "record", "truth"),
    Node("filled", ("D06",), (), "order", "truth"),
)


def rule(field: str, code: str, node: int | None, **changed: object) -> PlannedRule:
    scope = "order" if field in ORDER_FIELDS else "record"
    texts = dict.fromkeys(("summary_zh", "summary_en", "remedy_zh", "remedy_en", "needs"), "")
    made = PlannedRule(
        id=f"test/{field}-{code}", code=code, severity="reject", scope=scope, field=field,
        node=node, stops=False, decided_by="record" if node is not None else "parse", **texts,
    )  # fmt: skip
    return replace(made, **changed)


def plan_of(*rules: PlannedRule) -> Plan:
    by_code = {r.code: tuple(i for i, x in enumerate(rules) if x.code == r.code) for r in rules}
    return Plan(NODES, rules, "", {}, by_code)


def texts(findings: Findings, plan: Plan) -> list[str]:
    """``record field[order]:code`` of each finding."""
    return [
        f"{findings.record[i]} {findings.names[findings.field[i]]}"
        f"{'' if findings.order[i] < 0 else [int(findings.order[i])]}"
        f":{plan.rules[findings.rule[i]].code}"
        for i in range(len(findings))
    ]


def test_stopping_rules_silence_the_others_of_their_record_only() -> None:
    plan = plan_of(
        rule("M10", "X1", 0, stops=True), rule("M13", "X2", 1), rule("D06", "X3", 2),
        rule("M13", "X0", 1, stops=True),
    )  # fmt: skip
    visits = [({"M10": "a"}, [{"D06": "1"}]), ({}, [{"D06": "1"}]), ({"M13": "a", "M10": "a"}, [])]
    findings, _, _ = validate(make_batch(visits), plan, [ENVELOPE])
    assert texts(findings, plan) == ["0 M10:X1", "1 D06[0]:X3", "2 M10:X1", "2 M13:X0"]


def test_a_subsumed_code_is_dropped_at_that_place_only() -> None:
    plan = plan_of(
        rule("D06", "AB", 2), rule("D06", "X1", 2, subsumes=("AB", "AC")), rule("M13", "AB", 1),
        rule("M10", "AC", 0),
    )  # fmt: skip
    visits = [({"M13": "a", "M10": "b"}, [{"D06": "1"}, {}, {"D06": "2"}])]
    findings, _, _ = validate(make_batch(visits), plan, [ENVELOPE])
    assert texts(findings, plan) == ["0 M10:AC", "0 M13:AB", "0 D06[0]:X1", "0 D06[2]:X1"]


def test_verdicts_are_the_worst_of_their_findings() -> None:
    plan = plan_of(rule("M10", "X1", 0, severity="warn"), rule("D06", "X2", 2))
    visits = [({"M10": "a"}, [{}]), ({"M10": "a"}, [{"D06": "1"}, {}]), ({}, [])]
    _, verdict, orders = validate(make_batch(visits), plan, [ENVELOPE])
    assert verdict.tolist() == [Verdict.WARNED, Verdict.REJECTED, Verdict.ACCEPTED]
    assert orders.tolist() == [Verdict.ACCEPTED, Verdict.REJECTED, Verdict.ACCEPTED]


def some_faults() -> Faults:
    """Record 1: an unknown element, then M15 in its second order."""

    def column(*values: int) -> np.ndarray:
        return np.array(values, np.int32)

    code = np.array([FAULT_CODES.index("Y004"), FAULT_CODES.index("Y005")], np.uint8)
    return Faults(
        column(1, 1), column(-1, 1), code, column(7, 9), column(3, 4), column(0, 1), ("Q1", "M15")
    )


def test_a_faulty_record_has_its_structural_findings_only() -> None:
    plan = plan_of(rule("M10", "X1", 0), rule("REC", "Y004", None), rule("REC", "Y005", None))
    visits = [({"M10": "a"}, []), ({"M10": "a"}, [{}, {}])]
    findings, verdict, orders = validate(make_batch(visits, some_faults()), plan, [ENVELOPE])
    assert texts(findings, plan) == ["0 M10:X1", "1 Q1:Y004", "1 M15[1]:Y005"]
    assert (findings.offset[1:].tolist(), findings.length[1:].tolist()) == ([7, 9], [3, 4])
    assert verdict.tolist() == [Verdict.REJECTED] * 2
    assert orders.tolist() == [Verdict.ACCEPTED, Verdict.REJECTED]


def test_a_fault_without_a_rule_is_ours() -> None:
    visits = [({}, []), ({}, [{}, {}])]
    with pytest.raises(KeyError, match="Y004"):
        validate(make_batch(visits, some_faults()), plan_of(), [ENVELOPE])


def test_findings_stand_where_their_bytes_were_received() -> None:
    absent = Node("filled", ("M16",), (), "record", "truth")
    plan = replace(
        plan_of(
            rule("M10", "X1", 0), rule("D15", "X2", 4), rule("MB2", "X3", 1), rule("M16", "X4", 5)
        ),
        nodes=(*NODES, absent, Node("filled", ("D15",), (), "order", "truth"),
               Node("not", (), (3,), "record", "truth")),
    )  # fmt: skip
    visits = [({"M10": "中", "M13": "x"}, [{"D15": "plain"}, {"D15": "藥水"}])]
    batch = make_batch(visits)
    findings, _, _ = validate(batch, plan, [ENVELOPE])
    assert texts(findings, plan) == [
        "0 M10:X1", "0 M16:X4", "0 MB2:X3", "0 D15[0]:X2", "0 D15[1]:X2",
    ]  # fmt: skip
    places = list(zip(findings.offset.tolist(), findings.length.tolist(), strict=True))
    d15 = ORDER_FIELDS.index("D15")
    assert places == [
        batch.place(False, VISIT_FIELDS.index("M10"), 0),
        batch.place(False, VISIT_FIELDS.index("M16"), 0),
        (int(batch.record_head[0]), 0),
        batch.place(True, d15, 0),
        batch.place(True, d15, 1),
    ]
    values = zip(findings.value_offset.tolist(), findings.value_length.tolist(), strict=True)
    read = [None if n < 0 else bytes(batch.buffer[at : at + n]).decode() for at, n in values]
    assert read == ["中", None, None, "plain", "藥水"]


def test_the_moment_of_receipt_is_read_on_the_clock_of_taipei() -> None:
    evening = datetime(2025, 4, 2, 16, 0, 0, 999999, tzinfo=UTC)  # 3 April, 0:00 in Taipei
    day = (datetime(2025, 4, 3) - datetime(1970, 1, 1)).days
    nodes = (
        Node("received", (), (), "record", "moment"),
        Node("date", (), (0,), "record", "day"),
        Node("constant", ("day", day), (), "record", "day"),
        Node("equal", (), (1, 2), "record", "truth"),
    )  # fmt: skip
    plan = replace(plan_of(rule("M10", "X1", 3)), nodes=nodes)
    batch = make_batch([({}, []), ({}, [])], uploads=[1, 1])
    findings, _, _ = validate(batch, plan, [Envelope(evening), Envelope(RECEIVED)])
    assert texts(findings, plan) == ["0 M10:X1"]


def test_no_records_give_no_findings() -> None:
    findings, verdict, orders = validate(make_batch([], uploads=[]), load_plan(), [])
    assert (len(findings), len(verdict), len(orders)) == (0, 0, 0)

"""What the rule language takes and refuses, and that its three values follow Kleene."""

from __future__ import annotations

from datetime import datetime
from itertools import product

import pytest

from rules.expression import lower, parse
from rules.terms import ExpressionError
from tests.oracle.interpreter import evaluate
from tests.oracle.record import Row
from tests.oracle.twins import PlanRun
from tests.test_rules.planned import plan_of

REFUSED = [
    ("M49 >=", 7, "not an expression"),
    ("M49.year > 1", 1, "Attribute is not part"),
    ("M49 if M50 else M51", 1, "IfExp is not part"),
    ("[F for F in M49]", 1, "ListComp is not part"),
    ("M20 > 1 and True", 13, "True is not part"),
    ("M20 == None", 8, "None is not part"),
    ("M20 > 1 and M99 > 1", 13, "there is no field or list M99"),
    ('filled(M20) and fulfilled("x")', 17, "there is no function 'fulfilled'"),
    ("M20", 1, "is no truth"),
    ("M20 > 1 and M21", 13, "is no truth"),
    ("M04 < M11", 1, "M04 (date) and M11 (datetime) don't compare"),
    ("M12 == 1", 1, "M12 (code) and number don't compare"),
    ('M20 == "7"', 1, "M20 (number) and text don't compare"),
    ('M13 < "0007"', 1, "text has no order"),
    ('M24 in {"0", "1"}', 1, "compare numbers with"),
    ('M13 in "IC01"', 1, "a set of strings or a named list"),
    ("M13 in {1, 2}", 8, "a set holds strings only"),
    ("M20 > 1.5", 1, "1.5 meets whole numbers"),
    ("D10 > 0.25", 1, "0.25 meets one decimal place"),
    ("D10 > D09", 1, "don't mix"),
    ("M20 * M21 > 3", 1, "* multiplies literals only"),
    ("M04 + M04 > M04", 1, "don't go together"),
    ("M04 + 0.5 > M04", 1, "0.5 meets whole numbers"),
    ("D12 == M05", 1, "text of a visit and of an order"),
    ("filled(M20, M21)", 1, "takes 1 argument(s), not 2"),
    ('filled("M20")', 8, "wants a field"),
    ("person_check(M05)", 14, "reads fields of kind person"),
    ("num(M13) > 1", 5, "reads fields of kind number"),
    ("unlisted(M13)", 1, "M13 has no closed code list"),
    ("unlisted(D07)", 1, "D07 has no closed code list"),
    ('malformed(M11, "form")', 16, "malformed knows chinese"),
    ('M04 > day("1140230")', 11, "is no ROC yyyMMdd"),
    ('M04 > day("1140101000000")', 11, "is no ROC yyyMMdd"),
    ("some(M20 > 1)", 1, "reads no order field"),
    ("repeated(M20)", 1, "M20 is no order field"),
    ('matches(M13, "(IC)+")', 14, "is no shape"),
    ('matches(M13, "[^A]")', 14, "is no shape"),
    ('matches(M13, "[9-0]")', 14, "is no shape"),
    ('matches(M13, "A{3,1}")', 14, "is no shape"),
    ('matches(M13, "A{0}")', 14, "is no shape"),
    ('matches(M13, "A{2000}")', 14, "is no shape"),
    ("M20 > 1  # or so\n  or M21 > 1", 10, "a comment is not part"),
    ("M20 > 1e400", 7, "inf is not part"),
    ("M20 > 1000000000000000000", 1, "has more than 18 digits"),
    ("D10 > 100000000000000000", 1, "has more than 18 digits"),
    ('known("drug", D06)', 7, "there is no reference table 'drug'"),
    ('known("drugs")', 1, "drugs has the key columns: code"),
    ('known("institution_plans", M05, at=M11)', 1, "key columns: institution, plan"),
    ('known("drugs", 7)', 16, "a key is a field, a string, sender or address"),
    ('known("drugs", D06, at=M13)', 24, "at= wants a day or a moment"),
    ('known("drugs", D06, on=M11)', 1, "known takes no argument named on"),
    ('since("go_live", M05, at=M11) > M04', 1, "since takes no argument named at"),
    ('lookup("diagnoses", M35, "age", at=M11) == 1', 26, "has the value columns: sex"),
    ('lookup("diagnoses", M35, "sex") == 1', 1, "lookup needs at=DATE"),
    ('lookup("diagnoses", M35, "sex", at=M11)', 1, "is no truth"),
    ("month(M11) > 1", 7, "month wants a day"),
    ("-M20 < 1", 1, "minus sign"),
    ('sender == "3999019987"', 1, "text and text don't compare"),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused_with_column_and_reason(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        lower(text)
    assert message in error.value.message
    assert error.value.column == column


TRUTHS = {"filled(M13)": True, "filled(M14)": False, 'M15 == "x"': None}
KLEENE_AND = {(True, True): True, (True, None): None, (None, None): None}
KLEENE_OR = {(False, False): False, (False, None): None, (None, None): None}


def both_ways(text: str, row: Row) -> object:
    """The value of an expression, by its syntax tree and by its nodes, which must agree."""
    plan = plan_of(text)
    by_nodes = PlanRun(plan, row).value(plan.rules[0].node)
    by_tree = evaluate(parse(text), row)
    assert by_nodes == by_tree
    return by_tree


@pytest.fixture
def row() -> Row:
    orders = [{"D02": "1", "D03": "1"}, {"D02": "2", "D03": "001"}, {"D03": "x"}]
    cells = {"H01": "A", "H00": "1", "M13": "0007", "M20": "7", "M21": " ", "M22": "x"}
    return Row(cells, orders, datetime(2025, 4, 2, 20, 55), "3999019987")


@pytest.mark.parametrize(("a", "b"), list(product(TRUTHS, TRUTHS)))
def test_and_or_not_follow_kleene(a: str, b: str, row: Row) -> None:
    straight = (TRUTHS[a], TRUTHS[b])
    conjunction = KLEENE_AND.get(straight, KLEENE_AND.get(straight[::-1], False))
    disjunction = KLEENE_OR.get(straight, KLEENE_OR.get(straight[::-1], True))
    assert both_ways(f"{a} and {b}", row) is conjunction
    assert both_ways(f"{a} or {b}", row) is disjunction
    assert (
        both_ways(f"not ({a} and {b})", row) is {True: False, False: True, None: None}[conjunction]
    )


VALUES = {
    'some(D02 == "1")': True,
    'some(D02 == "9")': None,
    'every(D02 in {"1", "2"})': None,
    'every(D02 == "1")': False,
    'count(D02 == "1") == 1': None,
    "count(filled(D02)) == 2": True,
    "orders == 3": True,
    "num(M21) == 0": True,
    "M21 == 0": None,
    "num(M22) == 0": None,
    "M20 % 7 == 0": True,
    "M20 % num(M21) == 0": None,
    "0 < M20 <= 7": True,
    "M20 - 8 == -1": True,
    'M22 != 1 or M13 == "0007"': True,
    "M13 not in ABN": True,
    "M05 == sender": None,
    'date(received) - day("1140401") == 1': True,
    'date(received) - 1 == day("1140401")': True,
    'received - moment("1140402205400") == 60': True,
    'month(day("1140102")) - month(day("1131231")) == 1': True,
    'known("drugs", M35, at=M11)': None,
}


@pytest.mark.parametrize("text", VALUES)
def test_value_of_an_expression(text: str, row: Row) -> None:
    assert both_ways(text, row) is VALUES[text]


def test_quantifiers_over_no_orders() -> None:
    row = Row({}, [], datetime(2025, 4, 2), None)
    assert both_ways("every(filled(D02))", row) is True
    assert both_ways("some(filled(D02))", row) is False
    assert both_ways("count(filled(D02)) == 0", row) is True


def test_order_scope_is_found() -> None:
    assert lower("D09 > M20").scope == "order"
    assert lower("some(D09 > M20)").scope == "record"
    assert lower("filled(D09) and every(filled(D10))").scope == "order"


def test_line_breaks_are_blanks() -> None:
    assert lower("M20 > 1\n  and M21 > 1") == lower("M20 > 1 and M21 > 1")

"""The rules on card-registration files: every example against the oracle and through the engine."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registration_files import HUA, MEI, MING, RECEIVED, TAIPEI, check

from pipeline.register.batch import ROW_FIELDS
from rules import RuleError, load_rules
from rules.compile import compile_rules
from rules.load import load_bases
from rules.registrations import load_registration_plan, registration_catalogue
from schemas.fields import REGISTRATIONS, VISITS, registration_fields
from tests.oracle.examples import distinct_examples, example_row, example_text
from tests.oracle.findings import receipt_text, row_findings
from tests.oracle.record import Row
from tests.proof.mutants import mutants
from tests.test_rules.rule_files import catalogue_of

ROOT = registration_catalogue()
RULES = load_rules(ROOT)
EXAMPLES = distinct_examples(RULES)


def name(key: tuple[str, int]) -> str:
    return f"{Path(key[0]).relative_to(ROOT).with_suffix('')}:{key[1]}"


def row_of(key: tuple[str, int]) -> Row:
    return example_row(EXAMPLES[key], load_bases(ROOT))


@pytest.mark.parametrize("key", EXAMPLES, ids=name)
def test_example_gives_its_findings_by_the_oracle(key: tuple[str, int]) -> None:
    assert receipt_text(row_findings(row_of(key), RULES)) == EXAMPLES[key].expect


@pytest.mark.parametrize("key", EXAMPLES, ids=name)
def test_example_gives_its_findings_as_a_file(key: tuple[str, int]) -> None:
    row = row_of(key)
    sent, file_name = file_of(row)
    checked = check(
        sent, file_name, datetime.fromisoformat(str(row.received)).replace(tzinfo=TAIPEI)
    )
    found = "".join(
        f"{f.field}{'' if f.row is None else f'[{f.row}]'}:{f.code};" for f in checked.findings()
    )
    assert checked.refusal is None
    assert sorted(found.split(";")) == sorted(EXAMPLES[key].expect.split(";"))


def file_of(row: Row) -> tuple[str, str]:
    """The file that has an example's cells: its text and its name."""
    record = row.record
    unit, roc, extension = (record.get(f) for f in ("U01", "U02", "U03"))
    date = roc or ""
    if len(date) == 7 and date.isdigit():
        date = f"{int(date[:3]) + 1911}{date[3:]}"
    file_name = f"{unit or ''}{date}" + (f".{extension}" if extension else "")
    lines = [record["U04"]] if "U04" in record else []
    separator = record.get("U05", ",")
    for order in row.orders:
        if "R05" in order:
            lines.append(order["R05"])
            continue
        cells = [order.get(field, "") for field in ROW_FIELDS[:4]]
        while cells and not cells[-1]:
            cells.pop()
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
        lines.append(text.getvalue())
    return "\n".join(lines), file_name


def test_the_examples_notice_every_small_mistake_in_a_rule() -> None:
    mutated = mutants(RULES)
    bases, examples = load_bases(ROOT), list(EXAMPLES.values())
    unseen = []
    for mutant in mutated:
        changed = {rule.id: rule for rule in mutant.rules}
        rules = [changed.get(rule.id, rule) for rule in RULES]
        if all(example_text(example, bases, rules) == example.expect for example in examples):
            unseen.append(mutant.name)
    assert unseen == [  # fields without length and shape, where nothing else can be malformed
        "name/extension · function: malformed(U03, 'chinese') → malformed(U03)",
        "name/unit-code-shape · function: malformed(U01, 'chinese') → malformed(U01)",
    ]
    assert len(mutated) > 80


def test_every_rule_of_a_file_or_row_has_its_own_code() -> None:
    codes = [rule.current.code for rule in RULES]
    assert len(set(codes)) == len(codes) == 27


def test_the_plan_speaks_of_registrations_only() -> None:
    plan = load_registration_plan()
    assert plan.layout == REGISTRATIONS
    assert {rule.field for rule in plan.rules} <= registration_fields().keys()


def test_the_plan_is_another_where_a_field_has_another_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = load_registration_plan().hash
    changed = {n: f for n, f in registration_fields().items() if n != "R03"}
    monkeypatch.setattr("rules.compile.layouts", lambda: {REGISTRATIONS: changed, VISITS: {}})
    assert compile_rules(RULES).hash != before


GOOD = """\
id: row/odd
code: R900
severity: reject
status: stable
since: "0.1.0"
certainty: assumed
decided_by: record
field: R01
broken_when: filled(R02)
authority: [{document: "002", section: 說明二}]
summary: {zh: 怪, en: odd}
remedy: {zh: 改, en: mend}
examples:
  - {base: unit, expect: ""}
  - {base: unit, expect: "R01[1]:R900;"}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("filled(R02)", "filled(D01)", "another kind of upload"),
        ("code: R900", "code: Z900", "R###"),
        ("code: R900", "code: AA", "R###"),
        ("field: R01", "field: R01\napplies: {formats: any}", "leave applies out"),
        ("field: R01", "field: R99", "there is no field R99"),
        ("field: R01", "field: U01", "field must be an order field"),
        ("filled(R02)", "matches(R02, '[a')", "is no shape"),
    ],
)
def test_rule_files_that_can_not_be_taken_say_why(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    assert load_rules(catalogue_of(tmp_path / "good", row__odd=GOOD))
    assert old in GOOD
    with pytest.raises(RuleError, match=told):
        load_rules(catalogue_of(tmp_path / "bad", row__odd=GOOD.replace(old, new)))


def test_rules_of_two_kinds_make_no_plan() -> None:
    with pytest.raises(ValueError, match="don't make one plan"):
        compile_rules([*RULES, *load_rules()])


CELLS = {
    "R01": ["", MING, MEI, HUA, "A123456788", "a123456789", "A12345678", "Ａ123456789", "=1", "  "],
    "R02": [
        "",
        "a@b.tw",
        "a@b",
        "=a@b.tw",
        "王@b.tw",
        "a" * 255,
        "o'neil@x-1.example.com",
        "@",
        "a,b",
    ],
    "R03": ["", "0912345678", "912345678", "+886 2 1234", "９１２", "x", "-1", "(02)1#2", "1" * 31],
    "R04": ["", "", "", "x", "王"],
}
ROWS = st.lists(
    st.fixed_dictionaries({f: st.sampled_from(c) for f, c in CELLS.items()}), max_size=6
)


@given(ROWS)
def test_any_rows_get_from_the_engine_what_the_oracle_finds(orders: list[dict[str, str]]) -> None:
    base = load_bases(ROOT)["unit"]
    orders = [order for order in orders if any(cell.strip() for cell in order.values())]
    row = Row(base.record, orders or [dict(o) for o in base.orders], RECEIVED, base.sender)
    sent, file_name = file_of(row)
    told = [(f.field, f.row, f.code) for f in check(sent, file_name).findings()]
    wanted = [
        (f, o + 1 if o is not None else None, c) for f, o, c, _, _ in row_findings(row, RULES)
    ]
    assert sorted(told, key=str) == sorted(wanted, key=str)

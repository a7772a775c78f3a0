"""What the loader takes, and the one clear error for whatever is wrong in a rule file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import RuleError, load_rules
from tests.test_rules.rule_files import GOOD, catalogue_of, changed

EACH = changed(
    "broken_when: M49 >= M11",
    "each: [{count: M24, kind: A}, {count: M25, kind: B}]\n"
    'broken_when: "num({count}) > 1 and some(D04 in {\\"{kind}\\"})"',
    changed("field: M49", 'field: "{count}"', changed("改正 M49", "改正 {count}")),
)
STATE = changed(
    "by: record\nfield: M49\nbroken_when: M49 >= M11",
    "by: state\nneeds: state\nfield: M49",
    GOOD[: GOOD.index("examples:")],
)
BROKEN = '  - records: [{base: makeup, expect: ""}, {base: makeup, expect: "M49:D060;"}]\n'
KEPT = '  - records: [{base: makeup, expect: ""}]\n'
BAD = {
    "no history": (STATE, ":1: histories has none that breaks makeup/late; add one with M49:D060"),
    "no failing history": (STATE + "histories:\n" + KEPT, "none that breaks makeup/late"),
    "no passing history": (STATE + "histories:\n" + BROKEN, "none that keeps makeup/late"),
    "history of a record": (GOOD + "histories:\n" + KEPT, "histories are for decided_by: state"),
    "history without records": (STATE + "histories: [{for: x}]\n", "records is missing"),
    "history for no each": (STATE + "histories:\n" + KEPT.replace("- ", "- for: x\n    "),
                            "for names a row of each, but the rule has no each"),
    "for in a history": (STATE + "histories:\n" + KEPT.replace("{base", "{for: x, base"),
                         "for belongs to the history"),
    "tables in a history": (STATE + "histories:\n" + KEPT.replace("{base", "{address: a, base"),
                            "knows no reference tables"),
    "unknown key": (GOOD + "stop: yes\n",
                    ":17: unknown key stop; known are"),
    "unknown key within": (changed("section:", "page: 3, section:"), ":11: unknown key page"),
    "not YAML": (changed("summary: {zh", "summary: {zh: ["), "not YAML"),
    "not a mapping": ("- a\n", ":1: a rule file is one mapping"),
    "key twice": (GOOD + "code: D061\n", ":17: key code stands twice"),
    "other id": (changed("id: makeup/late", "id: makeup/later"), "by its path it is makeup/late"),
    "no severity": (changed("severity: reject\n", ""), "severity is missing"),
    "bad severity": (changed("reject", "fatal"), ":3: severity is 'fatal'; use one of refuse"),
    "unknown code": (changed("D060", "D999", GOOD), ":2: 'D999' is no code"),
    "own code rejects": (changed("code: D060", "code: Z009"), "may only warn or refuse"),
    "refusing record": (changed("severity: reject", "severity: refuse"), "not refuse an upload"),
    "unknown field": (changed("field: M49", "field: M99"), ":8: there is no field M99"),
    "bad expression": (changed("M49 >= M11", "M49 >= M1"), ":9: broken_when, column 8: there is"),
    "no expression": (changed("broken_when: M49 >= M11\n", ""), "broken_when is missing"),
    "expression outside": (changed("by: record", "by: parse"), "this is decided by parse"),
    "order rule on visit": (changed("M49 >= M11", "D01 >= M11"), "must be an order field"),
    "visit rule on order": (changed("field: M49", "field: D01"), "must be a visit field"),
    "no authority": (changed("authority:\n  - {document: rules.md, section: R-MK-3}\n", ""),
                     "authority is missing"),
    "no summary": (changed("summary: {zh: 實際就醫未早於補卡, en: The real visit is not before "
                           "the swipe}\n", ""), "summary is missing"),
    "one language": (changed("remedy: {zh: \"請改正 M49\", ", "remedy: {"),
                     "zh is missing in remedy"),
    "no failing example": (changed("M49:D060;", "M49:AF;"), "none that breaks the rule"),
    "no passing example": (changed('  - {base: makeup, expect: ""}\n', ""), "none that passes"),
    "example sets order field": (changed("set: {M49", "set: {D01"), "D01 is no field of the visit"),
    "for without each": (changed("{base: makeup, e", "{for: M49, base: makeup, e"), "has no each"),
    "unused placeholder": (changed("請改正 M49", "請改正 {F}"), "holds {F}"),
    "formats": (GOOD + "applies: {formats: [A, F]}\n", ":17: formats holds A, B, C, D, E"),
    "text for list": (GOOD + "subsumes: AB\n", ":17: subsumes must be a list of texts"),
    "flag": (GOOD + "stops: maybe\n", ":17: stops is 'maybe'; use one of true, false"),
    "needs": (changed("by: record\nfield: M49\nbroken_when: M49 >= M11",
                      "by: state\nfield: M49"), "needs is missing"),
    "reason": (changed("by: record\nfield: M49\nbroken_when: M49 >= M11",
                       "by: outside\nfield: M49"), "reason is missing"),
    "edition day": (GOOD + 'editions: [{from: "1140230", clock: visit}]\n', "write a ROC date"),
    "edition ends first": (GOOD + 'editions: [{from: "1140201", until: "1140201", clock: visit}]\n',
                           "until is not after from"),
    "editions overlap": (GOOD + 'editions: [{until: "1140201", clock: visit}, '
                         '{from: "1140101", clock: visit}]\n', "two editions overlap"),
    "editions differ": (GOOD + 'editions: [{until: "1140101", clock: visit}, '
                        '{from: "1140101", clock: receipt}]\n', "follow one clock"),
    "edition without bounds": (GOOD + "editions: [{clock: visit}]\n", "needs from, until or both"),
    "each unknown field": (GOOD + "each: {fields: {only: [M99]}}\n", "there is no field M99"),
    "each empty": (GOOD + "each: {fields: {kind: [colour]}}\n", "each gives no rows"),
    "each same": (GOOD + "each: [{a: x}, {a: x}]\n", "two rows of each start with 'x'"),
    "for no row": (changed("expect: \"\"", "for: M30, expect: \"\"", EACH), "no row of each"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_rule_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    with pytest.raises(RuleError) as error:
        load_rules(catalogue_of(tmp_path, makeup__late=text))
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/makeup/late.yaml:")


def test_good_rule_is_read_whole(tmp_path: Path) -> None:
    (rule,) = load_rules(catalogue_of(tmp_path, makeup__late=GOOD))
    assert (rule.id, rule.current.code, rule.current.severity) == ("makeup/late", "D060", "reject")
    assert (rule.applies.formats, rule.applies.kinds) == (("A", "B"), ("1",))
    assert rule.current.broken_when == "M49 >= M11"
    assert rule.authority[0].section == "R-MK-3"
    assert rule.examples[1].set == {"M49": "1140310091122"}
    assert not rule.stops


def test_histories_are_read_in_order(tmp_path: Path) -> None:
    text = STATE + "histories:\n" + BROKEN + KEPT
    (rule,) = load_rules(catalogue_of(tmp_path, makeup__late=text))
    assert [[r.expect for r in history.records] for history in rule.histories] == [
        ["", "M49:D060;"], [""],
    ]  # fmt: skip


def test_two_rules_may_not_share_an_id(tmp_path: Path) -> None:
    row = changed("id: makeup/late", "id: makeup/late/M24")
    root = catalogue_of(tmp_path, makeup__late=EACH, makeup__late__M24=row)
    with pytest.raises(RuleError, match=r"id makeup/late/M24 is taken by .*\.yaml; rename one"):
        load_rules(root)


def test_each_makes_a_rule_a_row(tmp_path: Path) -> None:
    first, second = load_rules(catalogue_of(tmp_path, makeup__late=EACH))
    assert [first.id, second.id] == ["makeup/late/M24", "makeup/late/M25"]
    assert second.current.broken_when == 'num(M25) > 1 and some(D04 in {"B"})'
    assert (second.field, second.current.remedy.zh) == ("M25", "請改正 M25")


def test_each_over_marks_applies_where_the_mark_stands(tmp_path: Path) -> None:
    text = changed("field: M49", 'field: "{F}"', changed("M49 >= M11", "filled({F})")) + (
        'each: {fields: {level: [MB1], mark: ["~"], kind: [text], except: [M18, M33]}}\n'
    )
    rules = {rule.field: rule for rule in load_rules(catalogue_of(tmp_path, makeup__late=text))}
    assert rules["M01"].applies.formats == ("B",)
    assert rules["M35"].applies.formats == ("C", "D", "E")
    assert rules["M34"].applies.formats == ("D",)
    assert not {"M18", "M33", "M03", "D06"} & set(rules)


def test_scalars_stay_as_written(tmp_path: Path) -> None:
    text = changed('set: {M49: "1140310091122"}', "set: {M13: 0007, M12: 1, M16: ~}")
    (rule,) = load_rules(catalogue_of(tmp_path, makeup__late=text))
    assert rule.examples[1].set == {"M13": "0007", "M12": "1", "M16": "~"}


def test_editions_take_what_they_leave_out_from_the_rule(tmp_path: Path) -> None:
    text = GOOD + (
        'editions:\n  - {from: "1140101", clock: receipt, severity: warn}\n'
        '  - {until: "1140101", clock: receipt, broken_when: M49 > M11}\n'
    )
    (rule,) = load_rules(catalogue_of(tmp_path, makeup__late=text))
    old, new = rule.editions
    assert (old.until, old.broken_when, old.severity) == ("1140101", "M49 > M11", "reject")
    assert (new.start, new.broken_when, new.severity) == ("1140101", "M49 >= M11", "warn")
    assert rule.current is new

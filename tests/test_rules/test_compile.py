"""Plans: shared nodes, gates, editions, the hash, and that any process can read one."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from rules import codes, load_plan, load_rules
from rules.compile import compile_rules
from rules.load import catalogue
from rules.model import Applies, Edition
from rules.ops import OPS
from rules.plan import Plan
from tests.oracle.record import Row
from tests.oracle.twins import OP_TWINS, PlanRun
from tests.test_rules.planned import WORDS, plan_of, rule_of
from tests.test_rules.rule_files import GOOD, catalogue_of, changed


def ops(plan: Plan) -> list[str]:
    return [node.op for node in plan.nodes]


def test_equal_parts_become_one_node() -> None:
    plan = plan_of("M20 > 1 and filled(M13)", "filled(M13) and 1 < M20", "not filled(M13)")
    assert sorted(ops(plan)) == ["and", "constant", "filled", "less", "not", "value"]
    assert plan.rules[0].node == plan.rules[1].node


def test_equal_sets_make_equal_nodes() -> None:
    plan = plan_of('M12 in {"3", "2"}', 'M12 in {"2", "3", "3"}', 'not (M12 not in {"2", "3"})')
    assert ops(plan) == ["member"]


def test_nodes_use_earlier_nodes_and_known_operations() -> None:
    for index, node in enumerate(load_plan().nodes):
        assert all(arg < index for arg in node.args)
        assert len(node.params) == len(OPS[node.op].params)
        assert len(node.args) == len(OPS[node.op].args)


def test_scopes_meet_only_in_spread_and_folds() -> None:
    for node in load_plan().nodes:
        inner = {load_plan().nodes[arg].scope for arg in node.args}
        wanted = {
            "to_record": ("record", {"order"}),
            "to_order": ("order", {"record"}),
        }.get(OPS[node.op].scope, (node.scope, {node.scope}))
        assert node.scope == wanted[0]
        assert inner <= wanted[1]


def test_every_operation_has_a_twin() -> None:
    assert OP_TWINS.keys() == OPS.keys()


def test_decimals_count_in_tenths() -> None:
    plan = plan_of("D10 > 1.5 and D10 <= 5")
    constants = [node.params for node in plan.nodes if node.op == "constant"]
    assert constants == [("number", 15), ("number", 50)]


def test_literals_are_folded() -> None:
    plan = plan_of("received - M11 > 60 * 60 * 24 + 1")
    assert ("number", 86401) in [node.params for node in plan.nodes if node.op == "constant"]


def broken(plan: Plan, cells: dict[str, str], received: datetime) -> list[str]:
    run = PlanRun(plan, Row(cells, [], received, None))
    return [rule.code for rule in plan.rules if run.value(rule.node) is True]


@pytest.mark.parametrize(("cells", "expected"), [
    ({"H01": "A", "H00": "1"}, ["AB"]),
    ({"H01": "C", "H00": "1"}, []),
    ({"H01": "A", "H00": "2"}, []),
    ({"H00": "1"}, []),
])  # fmt: skip
def test_rule_runs_on_its_formats_and_kinds(cells: dict[str, str], expected: list[str]) -> None:
    rule = rule_of("not filled(M13)")
    gated = rule.__class__(**{**rule.__dict__, "applies": Applies(("A", "B"), ("1",))})
    assert broken(compile_rules([gated]), cells, datetime(2025, 4, 2)) == expected


@pytest.mark.parametrize(("clock", "m11", "received", "expected"), [
    ("visit", "1131231235959", datetime(2025, 1, 1), ["AB"]),
    ("visit", "1140101000000", datetime(2024, 12, 31), ["AC"]),
    ("visit", "nonsense", datetime(2024, 12, 31, 23, 59, 59), ["AB"]),
    ("visit", "", datetime(2025, 1, 1), ["AC"]),
    ("receipt", "1140101000000", datetime(2024, 12, 31, 23, 59, 59), ["AB"]),
    ("receipt", "1131231000000", datetime(2025, 1, 1), ["AC"]),
])  # fmt: skip
def test_edition_in_force_by_its_clock(
    clock: str, m11: str, received: datetime, expected: list[str]
) -> None:
    rule = rule_of("not filled(M13)")
    old = Edition(None, "1140101", clock, "not filled(M13)", "AB", "reject", WORDS, WORDS)
    new = Edition("1140101", None, clock, "not filled(M13)", "AC", "warn", WORDS, WORDS)
    plan = compile_rules([rule.__class__(**{**rule.__dict__, "editions": (old, new)})])
    assert broken(plan, {"M11": m11}, received) == expected
    assert plan.rules[plan.by_id["test/rule"]].code == "AC"


def test_rules_that_no_record_decides_keep_their_texts(tmp_path: Path) -> None:
    text = changed("by: record\nfield: M49\nbroken_when: M49 >= M11", "by: parse\nfield: REC")
    plan = load_plan(catalogue_of(tmp_path, makeup__late=text))
    assert [(rule.node, rule.summary_zh) for rule in plan.rules] == [(None, "實際就醫未早於補卡")]
    assert plan.by_code == {"D060": (0,)}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The catalogue, as it stood at one moment."""
    return Path(shutil.copytree(catalogue(), tmp_path / "catalogue"))


def test_plan_survives_another_process(copied: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_bytes(pickle.dumps(load_plan(copied)))
    code = (
        "import pathlib, pickle, rules; "
        f"kept = pickle.loads(pathlib.Path({str(path)!r}).read_bytes()); "
        f"fresh = rules.load_plan(pathlib.Path({str(copied)!r})); "
        "assert kept == fresh and kept.by_id == fresh.by_id and kept.by_code == fresh.by_code; "
        "print(kept.hash)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=catalogue().parents[1],
    )  # fmt: skip
    assert answer.stdout.strip() == load_plan(copied).hash


def test_hash_follows_the_rules(tmp_path: Path) -> None:
    hashes = set()
    texts = [
        GOOD,
        changed("M49 >= M11", "M49 > M11"),
        changed("code: D060", "code: D055").replace(":D060", ":D055"),
        changed("Correct M49", "Mend M49"),
        changed("severity: reject", "severity: warn"),
    ]
    for number, text in enumerate(texts):
        hashes.add(load_plan(catalogue_of(tmp_path / str(number), makeup__late=text)).hash)
    assert len(hashes) == len(texts)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in hashes)


def test_hash_is_the_same_for_the_same_rules(copied: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(copied, tmp_path / "again"))
    assert load_plan(again).hash == load_plan(copied).hash
    assert compile_rules(reversed(load_rules(copied))).hash == load_plan(copied).hash


def test_hash_follows_the_code_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan_of("unlisted(M12)").hash
    monkeypatch.setattr(codes, "OPEN_LISTS", codes.OPEN_LISTS | {"M12"})
    assert plan_of("filled(M12)").hash != plan_of("unlisted(M12)").hash != before

"""The failing examples as recipes: generated records broken by them have their findings, no other.

Each recipe is tried on records where, by ``tests.proof.hosts``, it must work; the engine judges the
uploads. Some recipes fit no generated record; their share is bounded and their reasons are told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.core import process_many
from rules import load_plan, load_rules
from rules.load import catalogue
from tests.oracle.examples import distinct_examples
from tests.proof.clean import clean_records
from tests.proof.documents import document
from tests.proof.engine import answer, envelope_of
from tests.proof.hosts import Hosts
from tests.proof.recipes import Broken, Recipe, findings_of

HOSTS = 4000
BROKEN_BY_EACH = 3
LEAST_SHARE = 0.8


@dataclass(frozen=True)
class Planted:
    """Every recipe's broken records, and why the others have none."""

    recipes: int
    broken: list[tuple[str, Broken]]
    unfit: dict[str, str]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The failing examples of rules that a record decides, on generated records."""
    rules = load_rules()
    hosts = Hosts(clean_records(tmp_path_factory.mktemp("clean"), HOSTS, seed=11), rules)
    recipes = {
        f"{Path(path).relative_to(catalogue())}:{line}": Recipe(example, hosts)
        for (path, line), example in distinct_examples(rules).items()
        if example.expect and not example.tables and not example.expect.startswith("RECS:")
    }
    broken: list[tuple[str, Broken]] = []
    unfit = {}
    for name, recipe in recipes.items():
        found = recipe.broken(BROKEN_BY_EACH)
        broken += [(name, one) for one in found]
        if not found:
            unfit[name] = recipe.unfit.most_common(1)[0][0]
    return Planted(len(recipes), broken, unfit)


def test_broken_records_have_the_findings_of_their_recipe(planted: Planted) -> None:
    rows = [broken.row for _, broken in planted.broken]
    processed = process_many(
        [document(row.record, row.orders) for row in rows],
        [envelope_of(row) for row in rows],
        load_plan(),
    )
    wrong = [
        (name, answer(processed, upload), broken.expected)
        for upload, (name, broken) in enumerate(planted.broken)
        if findings_of(answer(processed, upload)) != broken.expected
    ]
    assert wrong == []
    assert len(rows) > 2000


def test_most_recipes_fit_some_record(planted: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = Counter(planted.unfit.values())
    share = 1 - len(planted.unfit) / planted.recipes
    with capsys.disabled():
        print(f"\n{planted.recipes} recipes, {share:.1%} fit, {len(planted.broken)} records broken")
        for reason, times in reasons.most_common():
            print(f"  {times:3} fit none: nowhere as in the example: {reason}")
    assert share >= LEAST_SHARE, planted.unfit

"""The examples of the catalogue notice when a rule is changed by one small mistake."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import tests.proof
from rules import load_rules
from tests.proof.mutants import Mutant, mutants
from tests.proof.verdicts import Examples

LEAST_SHARE = 0.95
LEAST_SHARE_OF_ALL_CODES = 0.35  # nobody writes an example for each code of each long list
RULES = load_rules()


def harmless() -> dict[str, str]:
    """Names of mutants that mean the same as their rule, each with the reason."""
    path = Path(tests.proof.__path__[0]) / "equivalent.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row["mutant"]: row["reason"] for row in csv.DictReader(file)}


def table(made: Iterable[Mutant], unseen: Iterable[Mutant]) -> str:
    """Caught and made, by kind of mistake."""
    every, missed = Counter(m.kind for m in made), Counter(m.kind for m in unseen)
    lines = [
        f"{kind:16} {every[kind] - missed[kind]:5} of {every[kind]:5}"
        f"  {1 - missed[kind] / every[kind]:7.1%}"
        for kind in sorted(every)
    ]
    total, caught = every.total(), every.total() - missed.total()
    return "\n".join([*lines, f"{'all':16} {caught:5} of {total:5}  {caught / total:7.1%}"])


@pytest.fixture(scope="module")
def judged() -> tuple[list[Mutant], list[Mutant]]:
    """The mutants, and those of them that no example sees."""
    made = mutants(RULES)
    return made, Examples(RULES).unseen(made)


def test_examples_catch_mutated_rules(
    judged: tuple[list[Mutant], list[Mutant]], capsys: pytest.CaptureFixture[str]
) -> None:
    made, unseen = judged
    known = harmless()
    missed = [m for m in unseen if m.name not in known]
    counted = [m for m in made if m not in unseen or m in missed]
    with capsys.disabled():
        print(f"\n{table(counted, missed)}\nthe same as their rule: {len(made) - len(counted)}")
    caught = 1 - len(missed) / len(counted)
    assert len(made) > 4000
    assert caught >= LEAST_SHARE, "\n".join(mutant.name for mutant in missed)


def test_mutants_said_to_be_harmless_are_not_caught(
    judged: tuple[list[Mutant], list[Mutant]],
) -> None:
    _, unseen = judged
    assert harmless().keys() - {mutant.name for mutant in unseen} == set()


def test_every_code_of_every_list(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """Every code dropped or added, where the other test draws a few of a long list."""
    if not request.config.getoption("--long"):
        pytest.skip("--long")
    made = mutants(RULES, every_code=True)
    unseen = Examples(RULES).unseen(made)
    with capsys.disabled():
        print(f"\n{table(made, unseen)}")
    assert 1 - len(unseen) / len(made) >= LEAST_SHARE_OF_ALL_CODES

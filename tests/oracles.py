"""The slow twins that the kernels and the compiled plan are held against.

``oracle_findings`` judges one record by reading each rule's expression as it stands;
``OP_TWINS`` does each operation on one row. Run as a program, it checks the examples of rule files:

    python -m tests.oracles rules/catalogue/makeup/visit-not-before-swipe.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

from rules.document import RuleError
from rules.load import catalogue as catalogue_directory
from rules.load import load_bases, load_file, load_rules
from rules.model import Rule
from tests.oracle.examples import distinct_examples, example_text
from tests.oracle.findings import Found, oracle_findings, receipt_text
from tests.oracle.record import Row
from tests.oracle.twins import OP_TWINS, PlanRun

__all__ = ["OP_TWINS", "Found", "PlanRun", "Row", "oracle_findings", "receipt_text"]


def readable_rules() -> list[Rule]:
    """The rules of every file that can be read, complaining of the others."""
    root, rules = catalogue_directory(), []
    for path in sorted(root.rglob("*.yaml")):
        if path.name != "bases.yaml":
            try:
                rules += load_file(path, root)
            except RuleError as error:
                print(f"not read: {error}", file=sys.stderr)
    return rules


def main(names: list[str]) -> int:
    """Print each example's outcome; 1 if any differs from what it expects."""
    try:
        rules: tuple[Rule, ...] | list[Rule] = load_rules()
    except RuleError:
        rules = readable_rules()
    wanted = {Path(name).resolve() for name in names}
    wrong = 0
    for (path, line), example in distinct_examples(rules).items():
        if wanted and Path(path).resolve() not in wanted:
            continue
        actual = example_text(example, load_bases(), rules)
        right = actual == example.expect
        wrong += not right
        print(
            f"{'ok   ' if right else 'WRONG'} {path}:{line}: {example.expect or '(none)'}", end=""
        )
        print("" if right else f"\n      actual: {actual or '(none)'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

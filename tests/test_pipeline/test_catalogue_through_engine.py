"""Every example of every rule as an upload: bytes in, through the engine, the findings expected."""

from __future__ import annotations

from itertools import groupby

import pytest
from reference_tables import references_of

from pipeline.core import process_many
from pipeline.parse.parse import ParserChoice
from rules import load_plan, load_rules
from rules.load import load_bases
from rules.model import Example
from tests.oracle.examples import distinct_examples, example_row
from tests.proof.documents import document
from tests.proof.engine import answer, envelope_of

Place = tuple[str, int]


@pytest.mark.parametrize("parser", ["auto", "lxml"])
@pytest.mark.parametrize(("version", "broken"), [("2.0", 300), ("1.0", 60)])
def test_every_example_sent_as_an_upload_gives_its_findings(
    version: str, broken: int, parser: ParserChoice
) -> None:
    bases = load_bases(version=version)
    every = distinct_examples(load_rules(version=version)).items()
    examples = [(place, example) for place, example in every if example.base in bases]
    by_tables = sorted(examples, key=lambda entry: repr(entry[1].tables))
    groups = [list(own) for _, own in groupby(by_tables, key=lambda entry: repr(entry[1].tables))]
    wrong = [differing for group in groups for differing in sent(group, version, parser)]
    assert wrong == []
    assert sum(example.expect != "" for _, example in examples) > broken


def sent(
    group: list[tuple[Place, Example]], version: str, parser: ParserChoice
) -> list[tuple[Place, str, str]]:
    """Examples that share reference tables: those answered otherwise than expected."""
    rows = [example_row(example, load_bases(version=version)) for _, example in group]
    processed = process_many(
        [document(row.record, row.orders) for row in rows],
        [envelope_of(row) for row in rows],
        load_plan(version=version),
        parser,
        references=references_of(rows[0].tables),
    )
    answers = [answer(processed, upload) for upload in range(len(rows))]
    return [
        (place, given, example.expect)
        for (place, example), given in zip(group, answers, strict=True)
        if given != example.expect
    ]

"""Every example of every rule as an upload: bytes in, through the engine, the findings expected."""

from __future__ import annotations

from itertools import groupby

import pytest
from reference_tables import references_of

from pipeline.core import process_many
from pipeline.parse import ParserChoice
from rules import load_plan, load_rules
from rules.load import load_bases
from rules.model import Example
from tests.oracle.examples import distinct_examples, example_row
from tests.proof.documents import document
from tests.proof.engine import answer, envelope_of

EXAMPLES = list(distinct_examples(load_rules()).items())
Place = tuple[str, int]


@pytest.mark.parametrize("parser", ["auto", "lxml"])
def test_every_example_sent_as_an_upload_gives_its_findings(parser: ParserChoice) -> None:
    by_tables = sorted(EXAMPLES, key=lambda entry: repr(entry[1].tables))
    groups = [list(own) for _, own in groupby(by_tables, key=lambda entry: repr(entry[1].tables))]
    wrong = [differing for group in groups for differing in sent(group, parser)]
    assert wrong == []
    assert sum(example.expect != "" for _, example in EXAMPLES) > 300


def sent(group: list[tuple[Place, Example]], parser: ParserChoice) -> list[tuple[Place, str, str]]:
    """Examples that share reference tables: those answered otherwise than expected."""
    rows = [example_row(example, load_bases()) for _, example in group]
    processed = process_many(
        [document(row.record, row.orders) for row in rows],
        [envelope_of(row) for row in rows],
        load_plan(),
        parser,
        references=references_of(rows[0].tables),
    )
    answers = [answer(processed, upload) for upload in range(len(rows))]
    return [
        (place, given, example.expect)
        for (place, example), given in zip(group, answers, strict=True)
        if given != example.expect
    ]

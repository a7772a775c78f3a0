"""The rows of registration files that were not good, as CSV for the insured unit, values in clear.

UTF-8 with a BOM; a cell that a spreadsheet could take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from pipeline.report.error_csv import neutralised
from pipeline.report.register_words import FileAnswer, place
from pipeline.report.texts import Text, field_name, refusal_text, rule_text

COLUMNS = (
    "upload", "line", "column", "field", "name", "code", "severity", "value", "message", "remedy",
    "place", "offset",
)  # fmt: skip
_LONGEST_TEXT = 4_000


def register_csv(answers: Iterable[FileAnswer]) -> Iterator[bytes]:
    """Pieces of one CSV with CRLF: the header, then the findings of each file in turn. ``line`` is
    the row as a spreadsheet numbers it; a refusal has a row without field."""
    yield "\ufeff".encode() + _line(COLUMNS)
    for checked in answers:
        for row in _rows(checked):
            yield _line(row)


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _rows(checked: FileAnswer) -> Iterator[tuple[object, ...]]:
    name, refusal = neutralised(checked.name), checked.refusal
    if refusal is not None:
        text = refusal_text(checked.plan, refusal)
        yield (
            name, refusal.line, "", "", "", refusal.code, "refuse", "", *_both(text), "",
            refusal.offset,
        )  # fmt: skip
    for finding in checked.findings():
        text = rule_text(checked.plan, finding.rule, finding.code)
        yield (
            name,
            finding.line or "",
            finding.column or "",
            finding.field,
            field_name(finding.field)[0],
            finding.code,
            finding.severity,
            "" if finding.value is None else neutralised(finding.value),
            *_both(text),
            " ".join(dict.fromkeys(place(finding))),
            finding.offset,
        )


def _both(text: Text) -> tuple[str, str]:
    """Message and remedy, each in 繁體中文 then English."""
    message = " / ".join(filter(None, (text.message_zh, text.message_en)))
    remedy = " / ".join(filter(None, (text.remedy_zh, text.remedy_en)))
    return neutralised(message, _LONGEST_TEXT), neutralised(remedy, _LONGEST_TEXT)

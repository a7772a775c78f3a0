"""The error CSV: one row a finding, for the institution that sent the upload, ids in clear.

Opened in a spreadsheet it must not run anything: a cell that a spreadsheet could take for a
formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from pipeline.report.answer import Answer, Finding
from pipeline.report.big5 import big5
from pipeline.report.printable import MAX_SHOWN_CHARACTERS, printable
from pipeline.report.texts import Text, field_name, finding_text, held_text, refusal_text
from schemas import version_in

CsvEncoding = Literal["utf-8", "big5"]
COLUMNS = (
    "record", "order", "field", "name", "code", "severity", "value", "message", "remedy",
    "M15", "M11", "line", "offset",
)  # fmt: skip
_LONGEST_TEXT = 4_000
_FORMULA_STARTS = frozenset("=+-@\t\r\n\0")


def error_csv(
    answers: Iterable[Answer], encoding: CsvEncoding = "utf-8", *, name_uploads: bool = False
) -> bytes:
    """The findings of uploads as CSV with CRLF; UTF-8 has a BOM, Big5 shows what it lacks as □.

    A refusal is a row without record, and so is an upload's being held or dropped (its
    ``severity``). ``name_uploads`` adds a last column ``upload``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*COLUMNS, "upload"] if name_uploads else COLUMNS)
    for answer in answers:
        tail = (neutralised(answer.name),) if name_uploads else ()
        for row in _rows(answer):
            writer.writerow((*row, *tail))
    return text.getvalue().encode("utf-8-sig") if encoding == "utf-8" else big5(text.getvalue())


def neutralised(cell: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """A cell that no spreadsheet takes for a formula, on one line, cut visibly."""
    shown = printable(cell, limit)
    first = unicodedata.normalize("NFKC", cell.lstrip(" \u3000\u00a0")[:1])
    return "'" + shown if first in _FORMULA_STARTS and first else shown


def _rows(answer: Answer) -> Iterator[tuple[object, ...]]:
    refusal = answer.refusal
    if refusal is not None:
        text = refusal_text(answer.plan, refusal)
        message, remedy = _both(text)
        yield (
            "", "", "", "", refusal.code, "refuse", "", message, remedy, "", "",
            refusal.line, refusal.offset,
        )  # fmt: skip
    if answer.waits:
        message, remedy = _both(held_text(answer.status))
        yield "", "", "", "", "", answer.status, "", message, remedy, "", "", "", ""
    keys = _Keys(answer)
    for finding, (line, _) in zip(answer.findings, answer.places(), strict=True):
        text = finding_text(answer.plan, finding)
        message, remedy = _both(text)
        yield (
            finding.record,
            "" if finding.order is None else finding.order,
            neutralised(finding.field),
            field_name(finding.field)[0],
            finding.code,
            finding.severity,
            _shown(finding),
            message,
            remedy,
            *keys.of(finding.record),
            line,
            finding.offset,
        )


def _both(text: Text) -> tuple[str, str]:
    """Message and remedy, each in 繁體中文 then English."""
    return (
        neutralised(" / ".join(filter(None, (text.message_zh, text.message_en))), _LONGEST_TEXT),
        neutralised(" / ".join(filter(None, (text.remedy_zh, text.remedy_en))), _LONGEST_TEXT),
    )


def _shown(finding: Finding) -> str:
    return "" if finding.value is None else neutralised(finding.value)


class _Keys:
    """M15 and M11 of records (in 1.0 nothing and A17), looked up once for the findings of one."""

    def __init__(self, answer: Answer) -> None:
        self._source = answer.source
        self._version = version_in(answer.plan.layout)
        self._record = 0
        self._keys = ("", "")

    def of(self, record: int) -> tuple[str, str]:
        if record != self._record and self._source is not None:
            m15, m11 = (self._value(record, name) for name in ("M15", "M11"))
            self._record, self._keys = record, (neutralised(m15), neutralised(m11))
        return self._keys

    def _value(self, record: int, field: str) -> str:
        own = self._version.id_of(field)
        if self._source is None or own is None:
            return ""
        return self._source.value(record, None, own) or ""

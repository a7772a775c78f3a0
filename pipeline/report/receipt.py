"""The text receipt in the insurer's layout: Big5 (CP950), CRLF, readable by the tools in use.

Those tools split the text on lines of 75 ``=``, want exactly twelve bracketed values in the first
block, and find records, values and findings by pattern (``第[n]筆``, ``ID=[ value ]``,
``錯誤原因:FIELD[k]:CODE;``). So whatever stands in a value is kept from looking like layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby

from pipeline.report.answer import Answer, Finding
from pipeline.report.big5 import big5
from pipeline.report.legend import legend
from pipeline.report.printable import printable
from pipeline.report.texts import held_text, refusal_text, standing_text
from pipeline.taipei import TAIPEI
from schemas import Version, version_in

TITLE = "衛生福利部中央健康保險署特約醫事服務機構-健保IC卡資料上傳作業檢核結果明細表"
SEPARATOR = "=" * 75
_COLUMNS = 3
_NEVER_ECHOED = ("M14", "A22")
_ONLY_IF_PRESENT = ("M57",)
_WRAP = 76
_AS_LAYOUT = str.maketrans("[]=:;", "［］＝：；")


@dataclass(frozen=True)
class Head:
    """The facts of the first block that the upload's own answer doesn't hold.

    Both moments are aware. ``sam_id`` is M01 (in 1.0 A16) of the first record, empty if it has
    none.
    """

    institution: str
    sam_id: str
    uploaded_at: datetime
    received_at: datetime


def head_of(answer: Answer) -> Head:
    """The head of an upload received at one moment, the envelope's."""
    received = answer.envelope.received_at
    sam_id = None
    if answer.source is not None and answer.counts.records:
        sam_id = answer.source.value(1, None, _version(answer).own("M01").id)
    return Head(answer.envelope.institution or "", sam_id or "", received, received)


def receipt(answer: Answer, head: Head | None = None) -> bytes:
    """The receipt of one upload, with the closing legend."""
    lines = _lines(answer, head or head_of(answer))
    return big5("".join(line + "\r\n" for line in lines)) + legend(answer.plan)


def _lines(answer: Answer, head: Head) -> Iterator[str]:
    yield from _head(answer, head)
    yield SEPARATOR
    if answer.refusal is not None:
        text = refusal_text(answer.plan, answer.refusal)
        yield f"整批退件：{_kept_from_layout(text.message_zh)}"
        yield f"位置：第{answer.refusal.line}行第{answer.refusal.column}字"
        yield f"錯誤原因:{answer.refusal.code};"
        yield SEPARATOR
    if answer.waits:
        text = held_text(answer.status)
        yield from _folded(text.message_zh)
        yield from _folded(text.remedy_zh)
        yield SEPARATOR
    for number, group in groupby(answer.findings, key=lambda f: f.record):
        findings = list(group)
        yield f"第[{number}]筆"
        if answer.source is not None:
            yield from _echo(answer.source.visit_values(number), _version(answer))
        yield from (standing_text(f.stands)[0] for f in findings if f.stands)
        yield from _wrapped("錯誤原因:", [finding_text(f) for f in findings])
        yield SEPARATOR


def _head(answer: Answer, head: Head) -> Iterator[str]:
    counts = answer.counts
    yield TITLE
    yield (
        f"醫事機構代碼:[{_cut(head.institution, 10)}]  安全模組代碼:[{_cut(head.sam_id, 12)}]"
        f"  上傳版本:[{_version(answer).number}]"
    )
    yield (
        f"●上傳申報資訊：上傳日期/時間:[{roc_moment(head.uploaded_at)}]"
        f" 檔案大小:[{answer.size:<8}] 實際接收筆數:[{counts.records:<12}]"
    )
    yield (
        f"接收日期/時間:[{roc_moment(head.received_at)}]"
        f" 接收明細:[{counts.records:<8}] 接收醫令:[{counts.orders:<9}]"
    )
    valid = counts.records - counts.records_rejected
    yield (
        f"●檢核結果：有效明細:[{valid:<8}] 有效醫令:[{counts.orders_accepted:<9}]"
        f" 無效明細:[{counts.records_rejected:<8}]"
    )


def roc_moment(moment: datetime) -> str:
    """A moment as yyyMMddHHmmss of the Republic's calendar, Asia/Taipei; 13 digits."""
    local = moment.astimezone(TAIPEI)
    return f"{local.year - 1911:03d}{local:%m%d%H%M%S}"


def _version(answer: Answer) -> Version:
    return version_in(answer.plan.layout)


def _echo(values: list[str | None], version: Version) -> Iterator[str]:
    """The values of a record, three a line; a line starts at H00 and at every third M-field."""
    for columns in _lines_of(version):
        cells = [
            f"{field}=[ {'NULL' if values[i] is None else _kept_from_layout(values[i] or '')} ]"
            for i, field in columns
            if values[i] is not None or _always_shown(version, field)
        ]
        if cells:
            yield " ".join(cells)


def _always_shown(version: Version, field: str) -> bool:
    """Not what few records have: a new field, or one of 1.0 whose meaning is hardly known."""
    of_header = field in version.header_fields
    return (of_header or field in version.fields) and field not in _ONLY_IF_PRESENT


@cache
def _lines_of(version: Version) -> tuple[tuple[tuple[int, str], ...], ...]:
    """Places and names of the fields of a record, by the lines they are shown on."""
    fields = list(enumerate(version.visit_fields))
    first = len(version.header_fields)
    lines = [fields[at : at + _COLUMNS] for at in range(first, len(fields), _COLUMNS)]
    body = (tuple(c for c in line if c[1] not in _NEVER_ECHOED) for line in lines)
    return tuple(fields[:first]), *body


def finding_text(finding: Finding) -> str:
    """A finding in the receipt's grammar: ``FIELD:CODE;`` or ``FIELD[k]:CODE;``."""
    field = _kept_from_layout(finding.field)
    place = field if finding.order is None else f"{field}[{finding.order}]"
    return f"{place}:{finding.code};"


def _wrapped(start: str, words: list[str]) -> Iterator[str]:
    line = start
    for word in words:
        if len(line) + len(word) > _WRAP and line != start:
            yield line
            line = ""
        line += word
    yield line


def _folded(text: str) -> Iterator[str]:
    """A text of ours in lines of half the width, since its characters are twice as wide."""
    kept = _kept_from_layout(text)
    yield from (kept[at : at + _WRAP // 2] for at in range(0, len(kept), _WRAP // 2))


def _kept_from_layout(value: str) -> str:
    shown = printable(value)
    return shown if shown.isalnum() else shown.translate(_AS_LAYOUT)


def _cut(value: str, width: int) -> str:
    return f"{_kept_from_layout(value)[:width]:<{width}}"

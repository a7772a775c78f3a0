"""One record of an upload: the XML as sent, masked, with the findings that mark it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.accounts.who import Who
from pipeline.desk.errors import NotThereError
from pipeline.desk.receipts import Receipts
from pipeline.report.answer import VERDICT_NAMES, Answer, Finding
from pipeline.report.marked_xml import RecordBytes, Segment, marked_xml


@dataclass(frozen=True)
class RecordView:
    """A record. ``verdict`` is ``accepted``, ``warned`` or ``rejected``; ``marked`` its masked XML.

    ``findings`` are those of the record, as ``Segment.findings`` counts them; their values are in
    the clear, as in the ``answer`` to the whole upload. ``line`` is the one it begins on,
    ``orders`` how many it has.
    """

    upload_id: str
    answer: Answer
    record: int
    verdict: str
    findings: tuple[Finding, ...]
    marked: tuple[Segment, ...]
    line: int
    orders: int

    @property
    def records(self) -> int:
        """How many records the upload has."""
        return len(self.answer.verdicts)


def record_view(receipts: Receipts, who: Who, upload_id: str, record: int) -> RecordView:
    """A record by its number. Raises ``NotThereError``, also where the upload was refused."""
    answer = receipts.receipt(who, upload_id).answer
    if answer is None or answer.source is None or not 1 <= record <= len(answer.verdicts):
        raise NotThereError
    sent = _bytes(answer, record)
    findings = tuple(one for one in answer.findings if one.record == record)
    row = answer.source.row(record)
    first, last = answer.source.batch.first_order[row : row + 2].tolist()
    return RecordView(
        upload_id,
        answer,
        record,
        VERDICT_NAMES[answer.verdicts[record - 1]],
        findings,
        tuple(marked_xml(sent, findings)),
        sent.line,
        last - first,
    )


def _bytes(answer: Answer, record: int) -> RecordBytes:
    assert answer.source is not None  # noqa: S101
    batch, row = answer.source.batch, answer.source.row(record)
    start = int(batch.record_offset[row] - batch.start[answer.source.upload])
    payload = answer.source.payload
    data = payload[start : start + int(batch.record_length[row])].tobytes()
    line = int((payload[:start] == ord("\n")).sum()) + 1
    return RecordBytes(data, start, line, answer.encoding)

"""PURE: accepted rows of a registration file → rows of the table ``registrations``."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outcome import Verdict
from pipeline.parse.arrow import text_column
from pipeline.register.batch import ROW_FIELDS
from pipeline.register.check import Checked
from pipeline.register.name import file_date, unit_code
from schemas.tables import REGISTRATIONS

_PHONE_UNREADABLE = "phone/unreadable"
_STORED = ("R01", "R02", "R03")


def registration_rows(checked: Checked, upload_id: str, sequence: int) -> pa.Table:
    """The good rows in the file's order; none where the file as a whole is not taken.

    A phone that is none is left out (null), as its warning says. Values are as sent: whoever writes
    them into a spreadsheet must neutralise them (``pipeline.report.error_csv.neutralised``).
    """
    judged = checked.judged
    if judged is None or not checked.taken:
        return REGISTRATIONS.empty_table()
    rows = np.flatnonzero(judged.verdict != Verdict.REJECTED).astype(np.int64)
    place = np.array(judged.sheet.places, np.int64).reshape(-1, 2)[rows]
    length = judged.batch.orders.length.copy()
    length[ROW_FIELDS.index("R03"), _unreadable_phones(checked)] = -1
    buffer, offset = judged.batch.buffer, judged.batch.orders.offset
    texts = [
        text_column(buffer, offset[i], length[i], rows) for i in map(ROW_FIELDS.index, _STORED)
    ]
    same = {
        "insured_unit": unit_code(checked.name),
        "file_date": file_date(checked.name),
        "received_at": checked.envelope.received_at.astimezone(UTC),
        "sequence": sequence,
        "upload_id": upload_id,
        "plan": checked.plan.hash,
    }
    columns = dict(zip(_STORED, texts, strict=True))
    columns["registration_key"] = pc.binary_join_element_wise(
        pa.scalar(same["insured_unit"], pa.string()), texts[0], ""
    )
    columns |= {"row": rows + 1, "byte_offset": place[:, 0], "byte_length": place[:, 1]}
    return pa.Table.from_arrays(
        [
            pa.array(columns[column.name]).cast(column.type)
            if column.name in columns
            else pa.repeat(pa.scalar(same[column.name], column.type), len(rows))
            for column in REGISTRATIONS
        ],
        schema=REGISTRATIONS,
    )


def _unreadable_phones(checked: Checked) -> list[int]:
    assert checked.judged is not None  # noqa: S101
    found, rule = checked.judged.findings, checked.plan.by_id[_PHONE_UNREADABLE]
    return [int(row) for row in found.order[found.rule == rule].tolist()]

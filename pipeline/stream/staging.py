"""What lies between two barriers → rows of an open store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.merge import Hold
from pipeline.outcome import Envelope
from pipeline.results import Receipted, held_row, upload_rows
from pipeline.store.store import Store
from pipeline.stream.checking import FAILED
from pipeline.stream.merging import Part, TooMany
from pipeline.stream.parts import Checked
from schemas.tables import FINDINGS, HELD

Row = dict[str, Any]
_STANDS: Final = FINDINGS.names.index("stands_upload_id")


@dataclass(frozen=True)
class Receipt:
    """What is said of an upload: its row of ``uploads`` and its rows of ``findings``."""

    row: Row
    findings: list[Row]


def stage(
    store: Store, checked: Sequence[tuple[int, Checked]], parts: Sequence[Part]
) -> list[Receipt]:
    """Take everything up to a barrier into the next commit; gives the receipts, in order."""
    for part in parts:
        for one in part.applied:
            track = store.track(one.track)
            track.apply(one.visits, one.ledger)
            if track.has_history:
                store.stage(track.history, one.history)
    rows = _rows(store, checked, parts)
    stored = [row for row in rows if row["status"] != FAILED]
    if stored:
        store.stage("uploads", upload_rows(stored))
        store.reach(max(row["sequence"] for row in stored))
    findings = _findings(store, checked, parts)
    store.stage("findings", findings)
    by_upload: dict[str, list[Row]] = {}
    for found in findings.to_pylist():
        by_upload.setdefault(found["upload_id"], []).append(found)
    return [Receipt(row, by_upload.get(row["upload_id"], [])) for row in rows]


def _rows(store: Store, checked: Sequence[tuple[int, Checked]], parts: Sequence[Part]) -> list[Row]:
    """The rows of ``uploads``, with what the merge changed of their counts."""
    held: dict[int, TooMany] = {at: why for part in parts for at, why in part.held.items()}
    rows = dict[str, Row]()
    for sequence, one in checked:
        row = dict(one.row)
        for part in parts:
            accepted, warned, rejected = part.recounted.get(sequence, (0, 0, 0))
            row["records_accepted"] += accepted
            row["records_warned"] += warned
            row["records_rejected"] += rejected
        if one.first is not None:
            row |= _of_first(store, rows, one.first)
        if sequence in held:
            row["status"] = "held"
            store.stage("held", _held(row, held[sequence]))
        rows[row["upload_id"]] = row
    return list(rows.values())


def _of_first(store: Store, rows: Mapping[str, Row], sequence: int) -> Row:
    """What a redelivery says of the upload that was taken."""
    here = (row for row in rows.values() if row["sequence"] == sequence)
    first = next(here, None) or store.upload(sequence)
    if first is None or first["status"] == FAILED:
        return {"status": FAILED}
    of_first = {name: first[name] for name in ("institution", "status", "refusal_code")}
    return of_first | {"redelivery_of": first["redelivery_of"] or first["upload_id"]}


def _held(row: Row, why: TooMany) -> pa.Table:
    envelope = Envelope(row["received_at"], row["institution"], row["channel"], row["mode"])
    one = Receipted(row["upload_id"], row["name"], row["sha256"], row["sequence"], envelope)
    return pa.Table.from_pylist([held_row(one, Hold(0, *why))], schema=HELD)


def _findings(
    store: Store, checked: Iterable[tuple[int, Checked]], parts: Iterable[Part]
) -> pa.Table:
    """Rows of ``findings``: of the check, and of the merge with the ids of what stands."""
    tables = [one.findings for _, one in checked if one.findings is not None]
    told = pa.concat_tables([FINDINGS.empty_table(), *(t for p in parts for t in p.findings)])
    sequences = pc.cast(told["stands_upload_id"], pa.int64())
    wanted = pc.unique(sequences.drop_null()).to_pylist()
    ids = dict(zip(wanted, store.upload_ids(wanted), strict=True))
    names = pa.array([ids.get(at) for at in sequences.to_pylist()], pa.string())
    told = told.set_column(_STANDS, FINDINGS.field(_STANDS), names)
    return pa.concat_tables([*tables, told])

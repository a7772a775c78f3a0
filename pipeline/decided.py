"""Edge: what a decision on a held upload changes in an open store, whichever way it came."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outcome import Decision
from pipeline.store.store import Store
from schemas.tables import HELD

Row = dict[str, Any]

STATUS: Final[dict[Decision, str]] = {"release": "done", "drop": "dropped"}
_WHAT_FINDINGS_TELL: Final = ("record", "order_no", "field", "rule")


def replace_upload(store: Store, row: Row) -> None:
    """The row of an upload takes the place of the one it has; its redeliveries follow it."""
    again = store.read("uploads", pc.field("redelivery_of") == row["upload_id"]).to_pylist()
    store.replace_uploads([row, *(one | {"status": row["status"]} for one in again)])


def not_yet_told(told: pa.Table, rows: pa.Table) -> pa.Table:
    """Rows of ``findings`` that were not told when the upload was held: those of the merge, and
    those of rules that have been added since."""
    known = {tuple(row.values()) for row in told.select(_WHAT_FINDINGS_TELL).to_pylist()}
    new = [tuple(row.values()) not in known for row in rows.select(_WHAT_FINDINGS_TELL).to_pylist()]
    return rows.filter(pa.array(new, pa.bool_()))


def decision_row(
    hold: Row, sequence: int, decision: Decision, by: str | None, at: datetime
) -> pa.Table:
    """The decision as a row of ``held``, beside the counts that led to it (``hold``).

    ``sequence``: where the upload stands now, ``at``: when it was decided (aware).
    """
    row = hold | {"action": decision, "sequence": sequence, "decided_at": at, "by": by}
    return pa.Table.from_pylist([row], schema=HELD)


def hold_of(store: Store, upload_id: str) -> Row:
    """The row of ``held`` that says why an upload was held."""
    held = store.read("held", pc.field("upload_id") == upload_id).to_pylist()
    (hold,) = (row for row in held if row["action"] == "hold")
    return dict(hold)

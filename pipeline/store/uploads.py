"""The table ``uploads``: a row a receipt, new ones and those that take another's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int64
from pipeline.store.current import CurrentTables
from pipeline.store.delta import DeltaTables, TableCommit
from pipeline.store.groups import Place
from pipeline.store.layout import Layout
from schemas.tables import UPLOADS

_TABLE: Final = "uploads"
_NO_PARTITION: Final[Place] = ()


class Uploads:
    """The rows of all modes; those staged are written with the next commit."""

    def __init__(self, layout: Layout, tables: DeltaTables) -> None:
        self._tables = tables
        self._rows = CurrentTables(layout, tables, [_TABLE], "upload_id")
        self._staged = 0
        self._redelivered = 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._staged == 0

    @property
    def only_redelivered(self) -> bool:
        """Whether all that waits are redeliveries, which change no other table."""
        return self._staged == self._redelivered

    def stage(self, rows: pa.Table) -> None:
        """New receipts."""
        self._rows.add(_NO_PARTITION, (rows,))
        self._staged += len(rows)
        self._redelivered += len(rows) - rows["redelivery_of"].null_count

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rows for uploads that have one each in the table. Raises ``KeyError`` for one without."""
        ids = [row["upload_id"] for row in rows]
        chosen = pc.field("upload_id").isin(pa.array(ids, pa.string()))
        found = self._tables.dataset(_TABLE).to_table(["upload_id", "sequence"], chosen)
        if missing := set(ids) - set(found["upload_id"].to_pylist()):
            raise KeyError(min(missing))
        keys = found["upload_id"].combine_chunks()
        self._rows.take_away(_NO_PARTITION, keys, found["sequence"].to_numpy())
        self.stage(pa.Table.from_pylist(list(rows), schema=UPLOADS))

    def ids(self, sequences: Sequence[int] | Int64) -> list[str]:
        """The upload of each sequence. Raises ``KeyError`` for one that is nobody's."""
        wanted = np.asarray(sequences, np.int64)
        if not len(wanted):
            return []
        rows = self._rows.rows_of(np.unique(wanted), ["sequence", "upload_id"])
        known = dict(zip(rows["sequence"].to_pylist(), rows["upload_id"].to_pylist(), strict=True))
        return [known[sequence] for sequence in wanted.tolist()]

    def row(self, upload_id: str) -> dict[str, Any] | None:
        """The row of an upload as it will be, committed or not; ``None`` if it has none."""
        chosen = pc.field("upload_id") == upload_id
        rows = self._rows.staged(UPLOADS.names).filter(chosen)
        if not len(rows):
            rows = self._tables.dataset(_TABLE).to_table(filter=chosen)
        return rows.to_pylist()[-1] if len(rows) else None

    def freeze(self) -> None:
        """What waits goes with the commit that is now made."""
        self._staged = self._redelivered = 0
        self._rows.freeze()

    def write(self, batch: int) -> list[TableCommit]:
        """Write what was frozen; gives the commit of the table."""
        return self._rows.write(batch)

    def committed(self) -> None:
        """What was written can now be found in the table."""
        self._rows.committed()

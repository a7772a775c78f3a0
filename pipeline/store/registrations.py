"""The table ``registrations``: of each person and insured unit the row received last."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.current import CurrentTables
from pipeline.store.delta import DeltaTables, TableCommit
from pipeline.store.groups import Place
from pipeline.store.layout import Layout

_TABLE: Final = "registrations"
_KEY: Final = "registration_key"
_NO_PARTITION: Final[Place] = ()


class Registrations:
    """Takes new rows in and those they replace away; written with the next commit."""

    def __init__(self, layout: Layout, tables: DeltaTables) -> None:
        self._layout = layout
        self._tables = tables
        self._current: CurrentTables | None = None  # few runs touch this table
        self._staged: dict[str, int] = {}  # sequence by key
        self._frozen: dict[str, int] = {}

    def stage(self, rows: pa.Table) -> None:
        """Rows of one upload, of no key more than one."""
        if not len(rows):
            return
        if self._current is None:
            self._current = CurrentTables(self._layout, self._tables, [_TABLE], _KEY)
        keys = rows[_KEY].to_pylist()
        before = self._before(keys)
        self._current.take_away(
            _NO_PARTITION,
            pa.array(before.keys(), pa.string()),
            np.fromiter(before.values(), np.int64, len(before)),
        )
        self._current.add(_NO_PARTITION, (rows,))
        self._staged.update(zip(keys, rows["sequence"].to_pylist(), strict=True))

    def _before(self, keys: list[str]) -> dict[str, int]:
        """The sequence of the live row of each key that has one."""
        frozen = self._frozen  # taken before the table is asked: what has left by then is there
        found = {k: at for k in keys if (at := self._staged.get(k) or frozen.get(k))}
        wanted = pa.array([key for key in keys if key not in found], pa.string())
        committed = self._tables.dataset(_TABLE).to_table(
            columns=[_KEY, "sequence"], filter=pc.field(_KEY).isin(wanted)
        )
        pairs = zip(committed[_KEY].to_pylist(), committed["sequence"].to_pylist(), strict=True)
        return found | dict(pairs)

    def freeze(self) -> None:
        """What waits goes with the commit that is now made."""
        self._frozen, self._staged = self._staged, {}
        if self._current is not None:
            self._current.freeze()

    def write(self, batch: int) -> list[TableCommit]:
        """Write what was frozen; gives the commit of the table."""
        return [] if self._current is None else self._current.write(batch)

    def committed(self) -> None:
        """What was written can now be found in the table."""
        if self._current is not None:
            self._current.committed()
        self._frozen = {}

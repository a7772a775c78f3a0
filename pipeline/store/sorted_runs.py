"""Sorting more rows than memory should hold: sorted runs in files, merged as they are read.

Rows are of one structured type whose field ``high`` leads the order. Memory holds one run while
rows come, and about as many rows again while they are merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.merge.state_items import Items

RUN_ROWS: Final = 500_000
_LEAST_ROWS: Final = 512  # of one run in memory while merging


class SortedRuns:
    """Rows in the order of the fields ``by``; files go into ``folder``, named after ``name``."""

    def __init__(
        self, folder: Path, name: str, rows: np.dtype[np.void], by: tuple[str, ...],
        run_rows: int = RUN_ROWS,
    ) -> None:  # fmt: skip
        self._stem = folder / name
        self._type, self._by, self._run_rows = rows, by, run_rows
        self._waiting: list[Items] = []
        self._count = 0
        self._runs: list[Path] = []

    def add(self, rows: Items) -> None:
        """Take in rows, in any order."""
        self._waiting.append(rows)
        self._count += len(rows)
        if self._count >= self._run_rows:
            self._write()

    def merged(self) -> Iterator[Items]:
        """All rows in order, piece by piece. Rows with the same ``high`` are in one piece."""
        if not self._runs:
            yield self._taken()
            return
        self._write()
        step = max(_LEAST_ROWS, self._run_rows // len(self._runs))
        runs = [_Run(path, self._type, step) for path in self._runs]
        try:
            while left := [run for run in runs if run.load()]:
                open_ends = [run.last for run in left if not run.exhausted]
                below = min(open_ends, default=None)
                yield self._sorted(np.concatenate([run.take(below) for run in left]))
        finally:
            for run in runs:
                run.close()
            for path in self._runs:
                path.unlink(missing_ok=True)

    def _write(self) -> None:
        path = self._stem.with_name(f"{self._stem.name}-{len(self._runs):05d}.run")
        self._taken().tofile(path)
        self._runs.append(path)

    def _taken(self) -> Items:
        rows = np.concatenate([np.empty(0, self._type), *self._waiting])
        self._waiting, self._count = [], 0
        return self._sorted(rows)

    def _sorted(self, rows: Items) -> Items:
        order = np.lexsort([rows[name] for name in reversed(self._by)])
        return np.asarray(rows[order])


class _Run:
    """One sorted file, read from the front."""

    def __init__(self, path: Path, rows: np.dtype[np.void], step: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._type, self._step = rows, step
        self._rows = np.empty(0, rows)
        self._stuck = False
        self.exhausted = False

    @property
    def last(self) -> int:
        """``high`` of the last row in memory."""
        return int(self._rows["high"][-1])

    def load(self) -> bool:
        """Have at least a step of rows in memory, or all that are left; False if none are."""
        while not self.exhausted and (len(self._rows) < self._step or self._stuck):
            more = np.fromfile(self._file, self._type, self._step)
            self.exhausted = len(more) < self._step
            self._rows = np.concatenate([self._rows, more])
            self._stuck = False
        return len(self._rows) > 0

    def take(self, below: int | None) -> Items:
        """Rows in memory whose ``high`` is below; all of them for ``None``."""
        end = len(self._rows)
        if below is not None:
            end = int(np.searchsorted(self._rows["high"], np.uint64(below), side="left"))
        # Where all rows are of one value, only more rows can tell where it ends.
        self._stuck = not end and below == self.last
        taken, self._rows = self._rows[:end], self._rows[end:]
        return taken

    def close(self) -> None:
        self._file.close()

"""Versions of rows, named by key and sequence, and where among some rows they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int64
from pipeline.store.datafiles import DataFile

_APART = "\0"  # between key and sequence; no key holds it


@dataclass(frozen=True)
class Versions:
    """Some versions: keys and sequences in parallel, of rows whose key column is ``column``."""

    column: str
    keys: pa.StringArray
    sequences: Int64

    @cached_property
    def _sorted(self) -> Int64:
        return np.sort(self.sequences)

    @classmethod
    def joined(cls, parts: Sequence[Versions]) -> Versions:
        """The versions of one part or the other; ``parts`` are of one key column."""
        return cls(
            parts[0].column,
            pa.concat_arrays([part.keys for part in parts]),
            np.concatenate([part.sequences for part in parts]),
        )

    def may_be_in(self, file: DataFile) -> bool:
        """Whether the sequences of a file's rows cover one of these."""
        return self._between(file.low, file.high)

    def among(self, rows: pa.Table) -> npt.NDArray[np.bool_] | None:
        """Which rows are of these versions; ``None`` if none is."""
        sequences = rows["sequence"].to_numpy()
        if not len(rows) or not self._between(sequences.min(), sequences.max()):
            return None
        place = np.flatnonzero(pc.is_in(rows[self.column], value_set=self.keys).to_numpy())
        if not len(place):
            return None
        named = _named(rows[self.column].take(pa.array(place)), sequences[place])
        wanted = _named(self.keys, self.sequences)
        place = place[pc.is_in(named, value_set=wanted).to_numpy(zero_copy_only=False)]
        mask = np.zeros(len(rows), np.bool_)
        mask[place] = True
        return mask if len(place) else None

    def without(self, rows: tuple[pa.Table, ...]) -> tuple[pa.Table, ...]:
        """What is left of a group's rows when these versions are taken away."""
        masks = [self.among(table) for table in rows]
        return tuple(
            table if mask is None else table.filter(pa.array(~mask))
            for table, mask in zip(rows, masks, strict=True)
        )

    def keys_besides(self, found: Iterable[pa.ChunkedArray]) -> pa.Array:
        """The keys, once each, but for those that were found."""
        keys = pc.unique(self.keys)
        for some in found:
            keys = keys.filter(pc.invert(pc.is_in(keys, value_set=some)))
        return keys

    def _between(self, low: int, high: int) -> bool:
        first, stop = np.searchsorted(self._sorted, [low, high + 1])
        return bool(first < stop)


def _named(keys: pa.Array | pa.ChunkedArray, sequences: Int64) -> pa.Array:
    """One text for a key and its sequence."""
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    return pc.binary_join_element_wise(keys, pa.array(sequences).cast(pa.string()), _APART)

"""Current tables whose rows lie in other buckets than this program looks for them in.

Formats before 3 took the bucket from the whole of a person, as a treatment id holds it; how it
holds some is not public, so their visits under special codes lay elsewhere than their others. Files
whose rows are all where they belong stay as they are, so that doing it again does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int64
from pipeline.merge.keys import buckets_of, code_ids, code_keys, columns_of_table
from pipeline.store.committer import Committer
from pipeline.store.delta import ALL_TABLES, TableCommit
from pipeline.store.groups import FileGroup, Group, Rows
from schemas.tables import PREFIXES, Track
from schemas.versions import versions

_GROUPS: Final = ((("visits", "orders"), "visit_key"), (("prescriptions",), "prescription_id"))


def rebucketed(committer: Committer, batch: int) -> Iterator[TableCommit]:
    """Write the files whose rows lie in the wrong bucket anew; gives what that does to each
    table."""
    for track, prefix in PREFIXES.items():
        for names, key in _GROUPS:
            of_track = [prefix + name for name in names]
            if set(of_track) <= set(ALL_TABLES):
                yield from _moved(committer, batch, track, of_track, key)


def _moved(
    committer: Committer, batch: int, track: Track, names: list[str], key: str
) -> Iterator[TableCommit]:
    group, added, removed = Group(committer.layout, names), list[FileGroup](), list[FileGroup]()
    for (month, bucket), files in sorted(group.committed(committer.tables).items()):
        for file in files:
            rows = group.read(file)
            of_row = _buckets(rows[0], track, key, committer.config.buckets)
            if (of_row == int(bucket)).all():
                continue
            removed.append(file)
            for other in np.unique(of_row).tolist():
                stem = f"{batch:08d}-{len(added):04d}"
                written = group.write(stem, (month, str(other)), _part(rows, of_row == other, key))
                added += [written] if written else []
    yield from group.commits(added, removed)


def _buckets(rows: pa.Table, track: Track, key: str, buckets: int) -> Int64:
    version = versions()["1.0" if track == "v1" else "2.0"]
    column = columns_of_table(rows, version)
    keys, _ = code_keys(column) if key == "visit_key" else code_ids(column(key))
    return buckets_of(keys, buckets)


def _part(rows: Rows, chosen: np.ndarray, key: str) -> Rows:
    """Some rows of the first table, and those of the others that go with them."""
    first = rows[0].filter(pa.array(chosen))
    mine = first[key].combine_chunks()
    return first, *(table.filter(pc.is_in(table[key], value_set=mine)) for table in rows[1:])

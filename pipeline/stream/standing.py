"""Where a stream stands in its store: what the last commit of the tables holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow.compute as pc

from pipeline.store.delta import ALL_TABLES, DeltaTables
from pipeline.store.layout import Layout
from pipeline.stream.topics import Stream


@dataclass(frozen=True)
class Standing:
    """``through``: the sequence up to which the tables hold everything; ``versions``: those of the
    tables that belong together then; ``records`` and ``verdicts``: by partition, from where its
    merge, and the recorder, go on."""

    through: int
    versions: Mapping[str, int]
    records: Mapping[int, int]
    verdicts: Mapping[int, int]


_AS_MADE: Final = dict.fromkeys(ALL_TABLES, 0)  # of a store that has no batch yet


def records_source(stream: Stream, partition: int) -> str:
    """The name under which a commit tells how far the records of a partition are merged."""
    return f"{stream.topic('records')}-{partition}"


def verdicts_source(stream: Stream, partition: int) -> str:
    """The name under which a commit tells how far a partition of the verdicts is recorded."""
    return f"{stream.topic('verdicts')}-{partition}"


def through_source(stream: Stream) -> str:
    """The name under which a commit tells the sequence up to which everything is recorded."""
    return f"{stream.topic('verdicts')}-through"


def standing_of(layout: Layout, stream: Stream) -> Standing:
    """Where a stream stands, told without holding the store.

    ``uploads`` is committed last, so what it tells is in every table, at the versions that the row
    of ``batches`` names.
    """
    now = DeltaTables(layout)
    through = now.offset(through_source(stream))
    records = {
        partition: now.offset(records_source(stream, partition)) or 0
        for partition in range(stream.partitions)
    }
    verdicts = {
        partition: now.offset(verdicts_source(stream, partition)) or 0
        for partition in range(stream.topics[stream.topic("verdicts")])
    }
    batch, known = now.committed("uploads"), DeltaTables(layout).dataset("batches")
    rows = known.to_table(filter=pc.field("batch") <= batch).sort_by([("batch", "descending")])
    versions = dict(rows.slice(0, 1).to_pylist()[0]["versions"]) if len(rows) else _AS_MADE
    through = stream.after if through is None else through
    return Standing(through, versions, records, verdicts)

"""Small files of a partition joined, each step a commit like any other; no row changes.

Visits, orders and prescriptions are sorted on the way: readers ask for days and institutions. Files
that are large enough stay as they are, so a second time nothing is left to do. Corrections rewrite
whole files, hence files are not made larger than ``FULL_BYTES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipeline.store.appended import append, batch_row
from pipeline.store.committer import Committer
from pipeline.store.delta import ALL_TABLES, TableCommit
from pipeline.store.groups import FileGroup, Group, Rows

FULL_BYTES: Final = 32 << 20
WORTH_JOINING: Final = 3  # files
STEP_BYTES: Final = 256 << 20  # of one commit

_BESIDE: Final = {"visits": ("orders",)}
_SORTED: Final = {
    "visits": ("visit_date", "institution", "visit_key"),
    "orders": ("visit_date", "visit_key", "order_no"),
    "prescriptions": ("prescription_id", "kind", "refill"),
}


@dataclass(frozen=True)
class Compacted:
    """What was done to some tables: how many files became how many, and their bytes."""

    tables: tuple[str, ...]
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def compact(
    committer: Committer, progress: Callable[[str, int, int], None] | None = None
) -> list[Compacted]:
    """Join small files everywhere; gives what was done where there was something to do.

    ``progress`` is called with a table's name, steps done and steps in all. Raises
    ``StoreWriteError``; what was committed before stands.
    """
    done = []
    for names in _groups():
        group = Group(committer.layout, names)
        steps = list(_steps(group.committed(committer.tables).values()))
        if not steps:
            continue
        counts = []
        for number, bins in enumerate(steps):
            if progress:
                progress(names[0], number, len(steps))
            counts.append(_step(committer, group, bins))
        for name in names:
            committer.tables.checkpoint(name)
        done.append(Compacted(names, *(sum(column) for column in zip(*counts, strict=True))))
    return done


def _groups() -> Iterator[tuple[str, ...]]:
    """The tables whose files go together; ``batches`` last, for every step is a row of it."""
    beside = {name for names in _BESIDE.values() for name in names}
    for name in sorted(ALL_TABLES, key=lambda name: name == "batches"):
        plain = _plain(name)
        if plain not in beside:
            prefix = name.removesuffix(plain)
            yield (name, *(prefix + other for other in _BESIDE.get(plain, ())))


def _steps(partitions: Iterable[list[FileGroup]]) -> Iterator[list[list[FileGroup]]]:
    """Lists of files that become one, as many as go into one commit."""
    step: list[list[FileGroup]] = []
    size = 0
    for groups in partitions:
        for joined in _bins(groups):
            step.append(joined)
            size += sum(group.size for group in joined)
            if size > STEP_BYTES:
                yield step
                step, size = [], 0
    if step:
        yield step


def _bins(groups: list[FileGroup]) -> Iterator[list[FileGroup]]:
    """Neighbours among the small files of a partition, by sequence, up to a full file each."""
    small = [group for group in groups if group.size < FULL_BYTES // 2]
    joined: list[FileGroup] = []
    for group in sorted(small, key=lambda group: (group.first.low, group.first.path)):
        if sum(other.size for other in joined) + group.size > FULL_BYTES:
            yield joined
            joined = []
        joined.append(group)
    if len(joined) >= WORTH_JOINING:
        yield joined


def _step(
    committer: Committer, group: Group, bins: list[list[FileGroup]]
) -> tuple[int, int, int, int]:
    """One commit; gives the counts of ``Compacted``."""
    old = [file for joined in bins for file in joined]
    new: list[FileGroup] = []

    def write(batch: int) -> list[TableCommit]:
        for number, joined in enumerate(bins):
            written = group.write(
                f"{batch:08d}-joined-{number:04d}", joined[0].place, _joined(group, joined)
            )
            new.extend([written] if written else [])
        commits = {c.table: c for c in group.commits(new, old, rearranged=True)}
        return _with_its_batch(committer, batch, commits)

    committer.commit(write)
    files = [sum(sum(map(bool, g.files)) for g in groups) for groups in (old, new)]
    return files[0], files[1], sum(g.size for g in old), sum(g.size for g in new)


def _with_its_batch(
    committer: Committer, batch: int, commits: dict[str, TableCommit]
) -> list[TableCommit]:
    """The commits with that of ``batches``, and ``uploads`` last: it has every batch."""
    changed = [*commits, "batches", "uploads"]
    last = committer.last_sequence
    row = batch_row(committer.tables, batch, (last + 1, last), changed)
    told = append(committer.layout, "batches", batch, row)
    compacted = commits.pop("batches", None)
    if compacted:
        told = TableCommit("batches", (*compacted.added, *told.added), compacted.removed)
    uploads = commits.pop("uploads", TableCommit("uploads", ()))
    return [*commits.values(), told, uploads]


def _joined(group: Group, files: list[FileGroup]) -> Rows:
    parts = [group.read(file) for file in files]
    tables = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    return tuple(_sorted(table, name) for table, name in zip(tables, group.names, strict=True))


def _sorted(rows: pa.Table, name: str) -> pa.Table:
    by = [column for column in _SORTED.get(_plain(name), ()) if column in rows.column_names]
    return rows.sort_by([(column, "ascending") for column in by]) if by else rows


def _plain(name: str) -> str:
    """A table's name without what says whose it is (``precheck_``, ``v1_``)."""
    return name.rpartition("_")[2]

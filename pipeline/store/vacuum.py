"""Files that no reader needs any more: of versions long gone, and of commits that came to nothing.

What the tables consist of now stays, and what they consisted of at any moment of the last hours, so
that whoever opened a table then can read it to the end. The journal is empty once a store is open,
so it needs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.store.committer import Committer
from pipeline.store.delta import ALL_TABLES
from pipeline.store.failures import write_failures

RETAIN_HOURS: Final = 168
"""A week: so long a table's log remembers when a file went, so no more can be asked for."""


@dataclass(frozen=True)
class Vacuumed:
    """The unused files of one table: paths within it, and their bytes."""

    table: str
    paths: tuple[str, ...]
    size: int


def vacuum(
    committer: Committer, retain_hours: int = RETAIN_HOURS, *, dry_run: bool = False
) -> Iterator[Vacuumed]:
    """Remove unused data files and old logs, table by table; with ``dry_run`` only name them.

    Raises ``StoreWriteError``; what is left is found the next time.
    """
    for name in ALL_TABLES:
        with write_failures():
            folder = committer.layout.table_files(name)
            unused = committer.tables.unused(name, retain_hours)
            paths = tuple(p for p in unused if folder.has(p))  # a killed vacuum took some
            size = sum(folder.size(path) for path in paths)
            if not dry_run:
                for path in paths:
                    folder.remove(path)
                committer.tables.checkpoint(name)
                committer.tables.forget_old_log(name)
        if paths:
            yield Vacuumed(name, paths, size)

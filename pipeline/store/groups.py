"""Files of tables that share partitions and a key: visits and their orders, prescriptions alone.

Files of one name in one partition hold the same keys; the first table's file is always there, the
others' where they have rows. A group of one table is the plain case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.errors import StoreUnusableError
from pipeline.store.datafiles import DataFile, read_data_file, write_data_file
from pipeline.store.delta import DeltaTables, TableCommit, file_schema, table_of
from pipeline.store.layout import Layout

Place = tuple[str, ...]
"""The values of a group's partition columns."""

Rows = tuple[pa.Table, ...]
"""Rows of each table of a group, without partition columns."""


@dataclass(frozen=True)
class FileGroup:
    """The files of one name in one partition, a place for each table of the group."""

    place: Place
    files: tuple[DataFile | None, ...]

    @property
    def first(self) -> DataFile:
        """The file of the group's first table."""
        first = self.files[0]
        assert first is not None  # noqa: S101
        return first

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files if file)


class Group:
    """Tables that share partitions and a key column, the one that decides first."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._by = table_of(names[0]).partition_by
        self._folders = tuple(layout.table_files(name) for name in names)
        self._schemas = tuple(file_schema(name) for name in names)

    def committed(self, tables: DeltaTables) -> dict[Place, list[FileGroup]]:
        """What the tables hold now. Raises ``StoreUnusableError`` where files lost each other.

        A foreign writer that rewrites files would do that, and break every correction with it, so
        it is told at once.
        """
        first, *others = (tables.files(name) for name in self.names)
        by_path = [{file.path: file for file in files} for files in others]
        found: dict[Place, list[FileGroup]] = defaultdict(list)
        for file in first:
            place = tuple(file.partition[name] for name in self._by)
            beside = (paths.pop(file.path, None) for paths in by_path)
            found[place].append(FileGroup(place, (file, *beside)))
        for name, left in zip(self.names[1:], by_path, strict=True):
            for stray in left:
                raise StoreUnusableError(
                    f"{name} 的檔案 {stray} 沒有對應的 {self.names[0]} 檔；資料表被其他程式改寫過",
                    f"{stray} of {name} has no file in {self.names[0]}: "
                    "another program rewrote the tables",
                )
        return dict(found)

    def read(self, group: FileGroup) -> Rows:
        """All rows of some files."""
        return tuple(
            read_data_file(folder, file.path, schema) if file else schema.empty_table()
            for folder, file, schema in zip(self._folders, group.files, self._schemas, strict=True)
        )

    def read_first(self, group: FileGroup, columns: Sequence[str]) -> pa.Table:
        """Some columns of the first table's rows."""
        schema = pa.schema([self._schemas[0].field(name) for name in columns])
        return read_data_file(self._folders[0], group.first.path, schema)

    def write(self, stem: str, place: Place, rows: Rows) -> FileGroup | None:
        """Write rows as files of one name; ``None`` if there are none."""
        if not len(rows[0]):
            return None
        partition = dict(zip(self._by, place, strict=True))
        files = (
            write_data_file(folder, stem, table, partition) if len(table) else None
            for folder, table in zip(self._folders, rows, strict=True)
        )
        return FileGroup(place, tuple(files))

    def commits(
        self, added: Sequence[FileGroup], removed: Sequence[FileGroup], *, rearranged: bool = False
    ) -> list[TableCommit]:
        """What files that come and go do to each table, the first one last."""
        commits = []
        for table in reversed(range(len(self.names))):
            new, old = (
                tuple(file for group in groups if (file := group.files[table]))
                for groups in (added, removed)
            )
            if new or old:
                commits.append(TableCommit(self.names[table], new, old, rearranged))
        return commits

"""A group of current tables: which rows lie where, and what a commit changes.

New rows lie in memory until a commit writes them, one file a partition. A version that is no
longer live is found by its partition and sequence: among the rows in memory, or in the files whose
sequences cover it; only their key columns are read, and only files that really hold such a version
are rewritten, once a commit, however many corrections came in between. Small files that are
rewritten anyway are joined with the new rows, and where many have gathered, all of them are.

A commit writes what was frozen for it, and may do so in a thread of its own while changes for the
next one come in. Those count on the files it makes: a version that it writes is in a file by the
time the next commit looks for it, so what was frozen is never changed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int64
from pipeline.errors import StoreUnusableError
from pipeline.merge.changes import Changes, Partition
from pipeline.store.delta import DeltaTables, TableCommit, table_of
from pipeline.store.gathered import Piece, gather
from pipeline.store.groups import FileGroup, Group, Place, Rows
from pipeline.store.layout import Layout
from pipeline.store.versions import Versions

JOINED_ROWS: Final = 20_000  # a file of fewer rows is joined with the new ones when touched
SMALL_FILES: Final = 32  # so many small files of a partition are joined untouched


@dataclass
class _Gone:
    """What is taken away from one partition.

    ``lost`` are keys that were not among the rows in memory, and so must be in a file.
    """

    versions: list[Versions] = field(default_factory=list)
    lost: list[pa.Array] = field(default_factory=list)


@dataclass
class _Staged:
    """What a commit will do: rows to be added, and by partition what is taken away."""

    new: list[Piece] = field(default_factory=list)
    gone: dict[Place, _Gone] = field(default_factory=dict)

    def new_at(self, place: Place) -> list[Rows]:
        """The rows to be added to one partition."""
        return [piece.at(place) for piece in self.new if place in piece.where]

    @property
    def places(self) -> list[Place]:
        """The partitions that change."""
        return sorted(self.gone.keys() | {place for piece in self.new for place in piece.where})


Files = dict[Place, list[FileGroup]]


@dataclass(frozen=True)
class _Before:
    """What is staged comes after this: the files, and what a commit under way does to them."""

    files: Files
    frozen: _Staged = field(default_factory=_Staged)


class CurrentTables:
    """The current tables of one group, by their names and key column.

    ``names`` begins with the table whose rows decide: a version that is gone must be there.
    """

    def __init__(self, layout: Layout, tables: DeltaTables, names: Sequence[str], key: str) -> None:
        self._group = Group(layout, names)
        self._key = key
        self._before = _Before(
            self._group.committed(tables)
        )  # replaced as a whole: threads read it
        self._written = self._before.files
        self._staged = _Staged()

    def apply(self, changes: Changes) -> None:
        """Take versions away and new ones in, with the commit that is frozen next."""
        for gone in changes.gone:
            self.take_away(_place(gone.partition), gone.keys, gone.sequences)
        for new in changes.new:
            where = {_place(partition): at for partition, at in new.where.items()}
            gather(self._staged.new, Piece(new.tables, where))

    def add(self, place: Place, rows: Rows) -> None:
        """New rows of one partition, of each table of the group."""
        if len(rows[0]):
            gather(self._staged.new, Piece.of(place, rows))

    def take_away(self, place: Place, keys: pa.StringArray, sequences: Int64) -> None:
        """Versions of one partition that are no longer live, each with all its rows.

        Of a key that comes with several sequences one at least must be there.
        """
        if not len(keys):
            return
        wanted = Versions(self._key, keys, sequences)
        found: list[pa.Array] = []
        pieces, self._staged.new = self._staged.new, []
        for piece in pieces:
            rows = piece.at(place) if place in piece.where else None
            mask = wanted.among(rows[0]) if rows else None
            if rows is None or mask is None:
                self._staged.new.append(piece)
                continue
            found.append(rows[0][self._key].filter(pa.array(mask)))
            if len(piece.where) > 1:
                self._staged.new.append(piece.besides(place))
            self.add(place, wanted.without(rows))
        gone = self._staged.gone.setdefault(place, _Gone())
        gone.versions.append(wanted)
        gone.lost.append(wanted.keys_besides(found))

    def rows_of(self, sequences: Int64, columns: Sequence[str]) -> pa.Table:
        """Rows of these sequences, committed or not: some columns of the first table."""
        wanted = Versions(self._key, pa.array([], pa.string()), sequences)
        parts = [self.staged(columns)]
        for groups in self._before.files.values():
            parts += [
                self._group.read_first(g, columns) for g in groups if wanted.may_be_in(g.first)
            ]
        rows = pa.concat_tables(parts)
        return rows.filter(pc.is_in(rows["sequence"], value_set=pa.array(sequences)))

    def staged(self, columns: Sequence[str]) -> pa.Table:
        """Rows that are not committed, in the order in which they came: some columns of the first
        table."""
        parts = [_only(self._group.names[0], columns).empty_table()]
        for staged in (self._before.frozen, self._staged):
            parts += [piece.at(at)[0].select(columns) for piece in staged.new for at in piece.where]
        return pa.concat_tables(parts)

    def freeze(self) -> None:
        """What is staged goes with the commit that is now made; what comes later with the next."""
        self._before = _Before(self._before.files, self._staged)
        self._staged = _Staged()

    def write(self, batch: int) -> list[TableCommit]:
        """Write the data files of what was frozen; gives what that does to each table, the first
        one last.

        Raises ``StoreUnusableError`` where a version that is gone is nowhere to be found.
        """
        added: list[FileGroup] = []
        removed: list[FileGroup] = []
        files, frozen = dict(self._before.files), self._before.frozen
        for place in frozen.places:
            taken = frozen.gone.get(place)
            gone = Versions.joined(taken.versions) if taken else None
            held = self._holding(place, gone, taken.lost) if taken and gone else []
            before, after = len(added), len(removed)
            for old, new in self._together(place, held, frozen.new_at(place)):
                parts = [*new, *(self._live(group, gone) for group in old)]
                rows = tuple(pa.concat_tables(tables) for tables in zip(*parts, strict=True))
                written = self._group.write(f"{batch:08d}-{len(added):04d}", place, rows)
                added += [written] if written else []
                removed += old
            left = {group.first.path for group in removed[after:]}
            kept = [g for g in files.get(place, []) if g.first.path not in left]
            files[place] = [*kept, *added[before:]]
        self._written = files
        return self._group.commits(added, removed)

    def committed(self) -> None:
        """What was written is what the tables hold."""
        let_go = [*self._before.frozen.new]
        self._before = _Before(self._written)
        while let_go:  # one by one: freed at once, they stop every thread
            let_go.pop()

    def _live(self, group: FileGroup, gone: Versions | None) -> Rows:
        rows = self._group.read(group)
        return gone.without(rows) if gone and gone.may_be_in(group.first) else rows

    def _holding(self, place: Place, gone: Versions, lost: list[pa.Array]) -> list[FileGroup]:
        """The committed files that hold versions that are gone."""
        held, found = [], []
        for group in self._before.files.get(place, []):
            if gone.may_be_in(group.first):
                rows = self._group.read_first(group, (self._key, "sequence"))
                mask = gone.among(rows)
                if mask is not None:
                    held.append(group)
                    found.append(rows[self._key].filter(pa.array(mask)))
        if missing := _missing(lost, found):
            raise _lost(self._group.names[0], place, missing)
        return held

    def _together(
        self, place: Place, held: list[FileGroup], new: list[Rows]
    ) -> list[tuple[list[FileGroup], list[Rows]]]:
        """Files to be rewritten and new rows, those that become one file together."""
        small = [g for g in self._before.files.get(place, []) if g.first.rows <= JOINED_ROWS]
        large = [group for group in held if group.first.rows > JOINED_ROWS]
        if len(small) < SMALL_FILES:
            small = [group for group in held if group.first.rows <= JOINED_ROWS]
        joined = [(small, new)] if small or new else []
        return [*joined, *(([group], []) for group in large)]


def _place(partition: Partition) -> Place:
    return tuple(str(value) for value in partition)


def _only(table: str, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([table_of(table).schema.field(name) for name in columns])


def _missing(lost: list[pa.Array], found: list[pa.ChunkedArray]) -> int:
    """How many of the keys that must be in a file are in none, or are to go twice."""
    wanted = pa.concat_arrays(lost)
    once = pc.unique(wanted)
    left = once
    for keys in found:
        left = left.filter(pc.invert(pc.is_in(left, value_set=keys)))
    return len(wanted) - len(once) + len(left)


def _lost(table: str, place: Place, count: int) -> StoreUnusableError:
    """A fault of ours: what should be live isn't. The keys tell of patients, so they stay out."""
    where = "/".join(place)
    return StoreUnusableError(
        f"{table}（{where}）缺少 {count} 筆應存在的資料，本批未寫入。"
        "請執行 nhi-upload store verify，再執行 nhi-upload store rebuild-state",
        f"{table} ({where}) lacks {count} rows that should be live; nothing of this batch was "
        "written. Run nhi-upload store verify, then nhi-upload store rebuild-state",
    )

"""What a disk holds after the power fails: from a record of changes, what need not be there.

A file's data is safe once the file was synced, a name once its folder was. What isn't safe may be
there, or not, or in part. ``Disk`` replays a record and writes out what could be left:

- ``LOST``    only what is safe
- ``NAMES``   every name, but only safe data: files that are empty or cut short
- ``DATA``    all data, but only safe names
- ``MIXED``   names up to a random moment; of each write all, nothing or some sectors

A rename that crosses folders is safe once either of them was synced, and never half done. Files
that are mapped for writing (SQLite's ``-shm``) hold nothing that a restart needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

from crash.faults import Change, Kind

SECTOR = 512


class Power(Enum):
    """What is left of that which was not safe."""

    LOST = "lost"
    NAMES = "names"
    DATA = "data"
    MIXED = "mixed"


@dataclass(eq=False)
class File:
    """``safe`` bytes, and what was written since: (offset, bytes), or (size, None) where cut."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def data(self, rng: Random | None = None) -> bytes:
        """All data, or with ``rng`` what is left of it by chance."""
        held = bytearray(self.safe)
        for offset, data in self.since:
            for start, piece in _pieces(offset, data, rng):
                _apply(held, start, piece)
        return bytes(held)


@dataclass(eq=False)
class Folder:
    """Names that are there now, and those that are there after the power fails."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    safe: dict[str, File | Folder] = field(default_factory=dict)


Edit = tuple[Folder, str, File | Folder | None]  # a name in a folder comes to stand for a node


class Disk:
    """The folder ``root`` of a record, from what lay there (``seed``, all of it safe)."""

    def __init__(self, root: Path, seed: Path | None = None) -> None:
        self._root = root
        self._top = _read(seed) if seed else Folder()
        self._nodes: dict[int, File | Folder] = {}
        self._unsafe: list[list[Edit]] = []

    def change(self, change: Change) -> None:
        """Make the next change of the record."""
        match change.kind:
            case Kind.CREATE:
                self._name([(change.path, self._new(change.node, File()))])
            case Kind.MKDIR:
                self._name([(change.path, self._new(change.node, Folder()))])
            case Kind.WRITE | Kind.TRUNCATE:
                self._write(change)
            case Kind.RENAME:
                self._name([(change.path, None), (change.other, self._at(change.path))])
            case Kind.LINK:
                self._name([(change.other, self._at(change.path))])
            case Kind.UNLINK | Kind.RMDIR:
                self._name([(change.path, None)])
            case Kind.SYNC:
                self._sync(self._node(change))
            case Kind.SYNC_ALL:
                self._sync_all(self._top)

    def names(self, path: Path) -> list[str]:
        """The names that now are in a folder, for anybody to see."""
        try:
            folder = self._at(str(path))
        except KeyError:
            return []
        assert isinstance(folder, Folder)
        return list(folder.now)

    def bytes(self, path: Path) -> bytes:
        """What now is in a file, for anybody to see; nothing if it is not there."""
        try:
            file = self._at(str(path))
        except KeyError:
            return b""
        assert isinstance(file, File)
        return file.data()

    def leave(self, target: Path, power: Power, seed: int = 0) -> None:
        """Write out what is left when the power fails now."""
        rng = Random(seed) if power is Power.MIXED else None
        names: dict[Folder, dict[str, File | Folder]] = {}
        if power is Power.MIXED:
            assert rng
            names = self._names_up_to(rng.randint(0, len(self._unsafe)))
        _leave(self._top, target, power, names, rng)

    def _new(self, number: int, node: File | Folder) -> File | Folder:
        self._nodes[number] = node
        return node

    def _node(self, change: Change) -> File | Folder:
        """By its inode where it was made in the record, else by its path."""
        return self._nodes.get(change.node) or self._at(change.path)

    def _at(self, path: str) -> File | Folder:
        node: File | Folder = self._top
        for name in Path(path).relative_to(self._root).parts:
            assert isinstance(node, Folder)
            node = node.now[name]
        return node

    def _name(self, edits: Iterable[tuple[str, File | Folder | None]]) -> None:
        made: list[Edit] = []
        for path, node in edits:
            folder = self._at(os.path.dirname(path))
            assert isinstance(folder, Folder)
            made.append((folder, os.path.basename(path), node))
        for edit in made:
            _edit(edit[0].now, edit)
        self._unsafe.append(made)

    def _write(self, change: Change) -> None:
        node = self._node(change)
        assert isinstance(node, File)
        node.since.append((change.offset, change.data if change.kind is Kind.WRITE else None))
        if change.synced:
            self._sync(node)

    def _sync(self, node: File | Folder) -> None:
        if isinstance(node, File):
            node.safe, node.since = bytearray(node.data()), []
            return
        waiting = []
        for edits in self._unsafe:
            if any(folder is node for folder, _, _ in edits):
                for edit in edits:
                    _edit(edit[0].safe, edit)
            else:
                waiting.append(edits)
        self._unsafe = waiting

    def _sync_all(self, folder: Folder) -> None:
        self._sync(folder)
        for node in folder.now.values():
            self._sync_all(node) if isinstance(node, Folder) else self._sync(node)

    def _names_up_to(self, count: int) -> dict[Folder, dict[str, File | Folder]]:
        """The names of each folder that has unsafe ones, with the first ``count`` changes kept."""
        names: dict[Folder, dict[str, File | Folder]] = {}
        for edits in self._unsafe[:count]:
            for edit in edits:
                _edit(names.setdefault(edit[0], dict(edit[0].safe)), edit)
        return names


def _edit(names: dict[str, File | Folder], edit: Edit) -> None:
    _, name, node = edit
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _leave(
    folder: Folder,
    target: Path,
    power: Power,
    names: dict[Folder, dict[str, File | Folder]],
    rng: Random | None,
) -> None:
    target.mkdir()
    kept = folder.now if power is Power.NAMES else names.get(folder, folder.safe)
    for name, node in kept.items():
        if isinstance(node, Folder):
            _leave(node, target / name, power, names, rng)
        elif power in (Power.LOST, Power.NAMES):
            (target / name).write_bytes(node.safe)
        else:
            (target / name).write_bytes(node.data(rng))


def _pieces(offset: int, data: bytes | None, rng: Random | None) -> list[tuple[int, bytes | None]]:
    """What reaches the disk of a write: all of it, or by chance nothing or some sectors."""
    if rng is None or (fate := rng.random()) < 1 / 3:
        return [(offset, data)]
    if fate < 2 / 3 or data is None:
        return []
    cuts = range(0, len(data), SECTOR)
    return [(offset + at, data[at : at + SECTOR]) for at in cuts if rng.random() < 0.5]


def _apply(held: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del held[offset:]
        held.extend(bytes(offset - len(held)))
        return
    held.extend(bytes(max(0, offset - len(held))))
    held[offset : offset + len(data)] = data


def _read(path: Path) -> Folder:
    names = {
        entry.name: _read(entry) if entry.is_dir() else File(bytearray(entry.read_bytes()))
        for entry in path.iterdir()
    }
    return Folder(dict(names), dict(names))

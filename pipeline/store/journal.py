"""The journal: an outcome is durable once its entry is here; the tables follow.

journal/open            the number of a batch whose data files are being written
journal/00000012.json   a batch's commits, until every table has it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from pipeline.errors import StoreUnusableError
from pipeline.store.datafiles import DataFile
from pipeline.store.delta import TableCommit
from pipeline.store.files import Files

_OPEN: Final = "open"


@dataclass(frozen=True)
class Entry:
    """A batch's commits, in the order in which the tables get them.

    ``offsets``: by source, from where a stream goes on after it. ``fence``: it is there so that no
    other outcome can take its number.
    """

    batch: int
    commits: tuple[TableCommit, ...]
    offsets: Mapping[str, int] = field(default_factory=dict)
    fence: bool = False


class Journal:
    """The journal under one folder."""

    def __init__(self, folder: Files) -> None:
        folder.make()
        self._folder = folder

    def begin(self, batch: int) -> None:
        """Say that data files of a batch may lie about from now on."""
        self._folder.write(_OPEN, str(batch).encode())

    def interrupted(self) -> int | None:
        """The batch that was begun and came to nothing, if there is one."""
        try:
            return int(self._folder.read(_OPEN))
        except FileNotFoundError:
            return None

    def record(self, entry: Entry) -> None:
        """Make an outcome durable. Raises ``FileExistsError`` if the batch has one already."""
        self._folder.create(_name(entry.batch), orjson.dumps(entry))
        self.abandon()

    def clear(self) -> None:
        """Remove what a crash left of entries that came to nothing."""
        self._folder.drop_partial()

    def holds(self, batch: int) -> bool:
        """Whether the entry of a batch is there; its outcome may then stand."""
        return self._folder.has(_name(batch))

    def abandon(self) -> None:
        """Say that no stray data files lie about."""
        self._folder.remove(_OPEN)

    def forget(self, batch: int) -> None:
        """Drop an entry that every table has."""
        self._folder.remove(_name(batch))
        self._folder.sync_names()

    def entries(self) -> list[Entry]:
        """What is left to bring to the tables, oldest first. Raises ``StoreUnusableError``."""
        names = (name for name in self._folder.names() if name.endswith(".json"))
        return [_read(self._folder, name) for name in names]


def _name(batch: int) -> str:
    return f"{batch:08d}.json"


def _read(folder: Files, name: str) -> Entry:
    try:
        found = orjson.loads(folder.read(name))
        commits = tuple(
            TableCommit(
                commit["table"],
                tuple(DataFile(**file) for file in commit["added"]),
                tuple(DataFile(**file) for file in commit["removed"]),
            )
            for commit in found["commits"]
        )
        return Entry(found["batch"], commits, found.get("offsets", {}), found.get("fence", False))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnusableError(
            f"日誌 {folder.uri}/{name} 毀損，請由備份還原",
            f"The journal entry {folder.uri}/{name} is damaged; restore it from a backup",
        ) from error

"""The journal: an outcome is durable once its entry is here; the tables follow.

journal/open            the number of a batch whose data files are being written
journal/00000012.json   a batch's commits, until every table has it
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.errors import StoreUnusableError
from pipeline.store.datafiles import DataFile
from pipeline.store.delta import TableCommit
from pipeline.store.layout import sync_folder, write_durably


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

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def begin(self, batch: int) -> None:
        """Say that data files of a batch may lie about from now on."""
        write_durably(self._folder / "open", str(batch).encode())

    def interrupted(self) -> int | None:
        """The batch that was begun and came to nothing, if there is one."""
        try:
            return int((self._folder / "open").read_bytes())
        except FileNotFoundError:
            return None

    def record(self, entry: Entry) -> None:
        """Make an outcome durable. Raises ``FileExistsError`` if the batch has one already."""
        path = self._path(entry.batch)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        with partial.open("xb") as file:
            file.write(json.dumps(asdict(entry)).encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(self._folder)
        self.abandon()

    def clear(self) -> None:
        """Remove what a crash left of entries that came to nothing."""
        for path in self._folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def holds(self, batch: int) -> bool:
        """Whether the entry of a batch is there; its outcome may then stand."""
        return self._path(batch).exists()

    def abandon(self) -> None:
        """Say that no stray data files lie about."""
        (self._folder / "open").unlink(missing_ok=True)

    def forget(self, batch: int) -> None:
        """Drop an entry that every table has."""
        self._path(batch).unlink(missing_ok=True)
        sync_folder(self._folder)

    def entries(self) -> list[Entry]:
        """What is left to bring to the tables, oldest first. Raises ``StoreUnusableError``."""
        return [_read(path) for path in sorted(self._folder.glob("*.json"))]

    def _path(self, batch: int) -> Path:
        return self._folder / f"{batch:08d}.json"


def _read(path: Path) -> Entry:
    try:
        found = json.loads(path.read_bytes())
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
            f"日誌 {path} 毀損，請由備份還原",
            f"The journal entry {path} is damaged; restore it from a backup",
        ) from error

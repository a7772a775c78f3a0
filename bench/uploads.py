"""The uploads that benchmarks read: made up, seeded, and kept in the temporary folder.

A set is known by its arguments and by the sources of the generator, so a changed generator makes
new sets and the same one never works twice.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

import orjson

from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.outcome import Envelope

SEED = 20251120
RECORD_BYTES = 1_830  # of a made-up record with its orders, on average


@dataclass(frozen=True)
class UploadSet:
    """Some uploads in memory; ``records`` is how many they hold, right or wrong."""

    paths: tuple[Path, ...]
    records: int

    @cached_property
    def payloads(self) -> list[bytes]:
        """The uploads' bytes, Big5."""
        return [path.read_bytes() for path in self.paths]

    @cached_property
    def size(self) -> int:
        """Bytes in all."""
        return sum(len(payload) for payload in self.payloads)

    @property
    def envelopes(self) -> list[Envelope]:
        """Received at the moment that the set was made for; the sender is M05."""
        return [Envelope(DEFAULT_AS_OF, name=path.name) for path in self.paths]

    def sample(self, size: int) -> UploadSet:
        """Uploads in order of name, of at most ``size`` bytes in all, at least one."""
        chosen: list[int] = []
        room = size
        for place, payload in enumerate(self.payloads):
            if len(payload) <= room:
                chosen.append(place)
                room -= len(payload)
        return self.only(chosen or [0])

    def only(self, places: list[int]) -> UploadSet:
        """The uploads at these places."""
        paths = tuple(self.paths[place] for place in places)
        records = sum(self.payloads[place].count(b"<REC>") for place in places)
        return UploadSet(paths, records)


@cache
def made(records: int, uploads: int, faults: float = 0.0) -> UploadSet:
    """``uploads`` uploads with ``records`` records in all, a share ``faults`` of them faulty."""
    folder = _kept() / f"{records}-{uploads}-{faults:g}-{_generator()}"
    if not folder.exists():
        making = Path(tempfile.mkdtemp(dir=_kept()))
        generate(records, uploads, SEED, faults, making)
        try:
            making.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(making)
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    return UploadSet(tuple(sorted(folder.glob("*.xml"))), manifest["records"])


def about(megabytes: float, *, each: float, faults: float = 0.0) -> UploadSet:
    """About ``megabytes`` of uploads, about ``each`` MB an upload on average."""
    records = round(megabytes * 1e6 / RECORD_BYTES)
    return made(records, max(1, round(megabytes / each)), faults)


def _kept() -> Path:
    folder = Path(tempfile.gettempdir()) / "nhi-upload-bench"
    folder.mkdir(exist_ok=True)
    return folder


@cache
def _generator() -> str:
    """What names the sources of the generator."""
    digest = hashlib.sha256(str(SEED).encode())
    root = Path(str(files("pipeline.generate")))
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]

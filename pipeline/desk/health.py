"""Whether the service does its work, in facts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime

from pipeline.desk.service import SettlingHealth
from pipeline.reference.kept import Loaded, loaded
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.store.read import last_commit
from pipeline.version import ENGINE
from rules import load_plan


@dataclass(frozen=True)
class Health:
    """``committed_at`` is the moment of the last commit in the tables, ``None`` before the first;
    disk figures are in bytes, of where the store is, 0 for one on object storage."""

    settling: SettlingHealth
    committed_at: datetime | None
    disk_free: int
    disk_total: int
    plan: str
    engine: str
    references: tuple[Loaded, ...]


def health_of(tables: KeptTables, settling: SettlingHealth) -> Health:
    """The facts as they are now."""
    layout = layout_of(tables.store_uri)
    total, _, free = shutil.disk_usage(layout.disk) if layout.disk else (0, 0, 0)
    last = last_commit(tables.snapshot("batches"))
    return Health(settling, last, free, total, load_plan().hash, ENGINE, tuple(loaded(layout)))

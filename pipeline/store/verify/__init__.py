"""Everything in a store recomputed and compared: bytes, counts, keys, order, ledger, state.

Nothing is changed. The store's lock is held meanwhile, so that no run comes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError

from pipeline.errors import PipelineError, kind_and_place
from pipeline.store.delta import ALL_TABLES
from pipeline.store.layout import layout_of
from pipeline.store.opening import WAIT_SECONDS, Tell, config_of, hold
from pipeline.store.verify import files, ledger, received, states, visits
from pipeline.store.verify.check import Found, Look, Stored
from schemas.tables import PREFIXES, Track

_UNREADABLE: Final = (OSError, pa.ArrowException, pl.exceptions.PolarsError, DeltaError)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Check:
    """One thing to check. Where a ``vital`` one fails, what comes after would mean nothing."""

    name: str
    zh: str
    en: str
    look: Look
    vital: bool = False


@dataclass(frozen=True)
class Checked:
    """A check and what it found."""

    check: Check
    found: Found

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.found.problems


def _of_track(track: Track, zh: str) -> Iterator[Check]:
    looks: tuple[tuple[str, str, str, Callable[[Track, Stored], Found]], ...] = (
        ("visits", "就醫紀錄", "live visits", visits.live_visits),
        ("orders", "醫令", "orders", visits.orders),
        ("prescriptions", "處方箋", "prescriptions", ledger.prescriptions),
        ("state", "合併狀態", "merge state", states.state),
    )
    for name, what, en, look in looks:
        if name == "state" or PREFIXES[track] + name in ALL_TABLES:
            yield Check(f"{track}/{name}", zh + what, f"{track} {en}", partial(look, track))


ARCHIVE: Final = Check("archive", "原始檔雜湊", "archive hashes", received.archive)
CHECKS: Final = (
    Check("journal", "日誌", "unfinished outcomes", files.journal, vital=True),
    Check("files", "資料檔", "data files", files.data_files, vital=True),
    Check("sequences", "上傳序號", "uploads by sequence", received.sequences),
    ARCHIVE,
    Check("counts", "回條件數", "receipts against findings", received.counts),
    Check("history", "歷程", "history against receipts", received.history),
    Check("batches", "批次", "batches", received.batches),
    *_of_track("official", "正式"),
    *_of_track("precheck", "預檢"),
    *_of_track("v1", "1.0 版"),
)


def verify(
    uri: str | Path,
    progress: Progress | None = None,
    tell: Tell | None = None,
    *,
    archive: bool = True,
) -> Iterator[Checked]:
    """Check a store, one thing after the other; without ``archive`` its bytes aren't hashed again.

    Raises ``StoreUnusableError`` for no store or one that must be migrated, ``StoreBusyError``.
    """
    layout = layout_of(uri)
    config_of(layout)
    checks = [check for check in CHECKS if archive or check is not ARCHIVE]
    with hold(layout, WAIT_SECONDS, tell):
        stored = Stored(layout)
        for number, check in enumerate(checks):
            if progress:
                progress(check.en, number, len(checks))
            checked = Checked(check, _found(check, stored))
            yield checked
            if check.vital and not checked.ok:
                return


def _found(check: Check, stored: Stored) -> Found:
    """What a check finds; where it can't be made to the end, that is what it finds."""
    try:
        return check.look(stored)
    except PipelineError as fault:
        return Found(0, (fault.message_en,))
    except _UNREADABLE as fault:  # their messages may hold a patient's data
        return Found(0, (f"can't be read to the end ({kind_and_place(fault)})",))

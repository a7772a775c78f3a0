"""Opening a state, and bringing it to what the tables are: from an earlier one, or from nothing.

The tables are the truth. A state that is behind them (a crash between their commit and its save)
catches up from its own sequence; one that is missing, damaged, of another layout, ahead of the
tables (they were restored from a backup) or far behind is built anew, out of sight, and takes its
place when it is whole.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import StoreUnusableError
from pipeline.merge.recall import keys_of
from pipeline.merge.remember import ledger_of, moments_of
from pipeline.merge.state_items import VISIT
from pipeline.store.delta import DeltaTables
from pipeline.store.files import sync_folder
from pipeline.store.layout import Layout
from pipeline.store.sorted_runs import RUN_ROWS, SortedRuns
from pipeline.store.state_catch_up import catch_up
from pipeline.store.state_db import Marker, StateDamagedError, StateDb
from pipeline.store.state_pairs import counted
from pipeline.store.state_rows import StateRows
from pipeline.store.state_slots import ENTRY, UnmatchedLedgerError, named, specials_of
from schemas.tables import Track

CATCH_UP_ROWS: Final = 1_000_000
"""Visits of later uploads: more are sorted sooner than looked up."""

BUILDING: Final = ".part"
REPLACED: Final = ".old"

Tell = Callable[[str], None]


def open_state(
    layout: Layout, tables: DeltaTables, track: Track, now: Marker, tell: Tell | None = None
) -> StateDb:
    """The state of a track, as of the tables' last batch and sequence, which are ``now``.

    ``tell`` gets a message where that takes a while. Raises ``StoreUnusableError`` where the tables
    contradict each other, ``StoreWriteError`` where writing fails.
    """
    folder = layout.state(track)
    _finish_swap(folder)
    try:
        state = StateDb(folder)
    except StateDamagedError as damage:
        return _built(layout, tables, track, now, tell, damage.message_en)
    try:
        why = _brought(state, tables, track, now)
    except StateDamagedError as damage:
        why = damage.message_en
    except BaseException:
        state.close()
        raise
    if why is None:
        return state
    state.close()
    return _built(layout, tables, track, now, tell, why)


def rebuild(layout: Layout, tables: DeltaTables, track: Track, now: Marker) -> None:
    """Build the state of a track from the tables, and put it in the place of the one there was."""
    build(layout.state(track), StateRows(tables, track), track, now)


def build(folder: Path, rows: StateRows, track: Track, now: Marker) -> None:
    """Build a state in a folder from rows of the tables of a track, in the place of what is there.

    Raises as ``open_state``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(folder.name + BUILDING)
    shutil.rmtree(part, ignore_errors=True)
    state = StateDb(part, durable=False)
    try:
        _fill(state, rows, part)
        state.save(now.batch, now.sequence)
        state.sync()
    except UnmatchedLedgerError as error:
        raise contradiction(track) from error
    finally:
        state.close()
    _swap(part, folder)


def contradiction(track: Track) -> StoreUnusableError:
    """The ledger names visits that are not live."""
    return StoreUnusableError(
        f"處方箋表（{track}）與就醫紀錄表不一致，請執行 nhi-upload store verify，並由備份還原",
        f"The prescriptions of {track} name visits that are not there; "
        "run nhi-upload store verify, and restore the tables from a backup",
    )


def _built(
    layout: Layout, tables: DeltaTables, track: Track, now: Marker, tell: Tell | None, why: str
) -> StateDb:
    if tell is not None and now.sequence:
        tell(
            f"由資料表重建合併狀態（{track}），需要一些時間\n"
            f"Building the merge state ({track}) from the tables, which takes a while: {why}"
        )
    rebuild(layout, tables, track, now)
    return StateDb(layout.state(track))


def _brought(state: StateDb, tables: DeltaTables, track: Track, now: Marker) -> str | None:
    """Bring a state to where the tables are; or says why it must be built anew instead."""
    found, rows = state.marker, StateRows(tables, track)
    if found == now:
        return None
    if found.batch > now.batch:
        return "it is ahead of the tables"
    if found.batch < now.batch:
        later = rows.count_after(found.sequence)
        if later > CATCH_UP_ROWS:
            return "it is far behind the tables"
        if later and not found.batch:
            return "there is none yet"
        try:
            catch_up(state, rows)
        except UnmatchedLedgerError as error:
            raise contradiction(track) from error
    # Numbers given to uploads that came to nothing may be in the marker of the same batch.
    state.save(now.batch, now.sequence)
    return None


def _fill(state: StateDb, rows: StateRows, folder: Path) -> None:
    """All three maps, each in the order of its keys."""
    visits = SortedRuns(folder, "moments", VISIT, ("high", "low"), RUN_ROWS)
    specials = [np.empty(0, VISIT)]
    for items in rows.visits():
        visits.add(items)
        specials.append(specials_of(items))
    live: Counter[bytes] = Counter()
    for items in visits.merged():
        live.update(counted(items))
        state.append("moments", list(moments_of(items).items()))
        state.save(0, 0)
    ledger = SortedRuns(folder, "ledger", ENTRY, ("high", "low"), RUN_ROWS)
    dispensers = np.concatenate(specials)
    for entries in rows.ledger():
        ledger.add(named(entries, dispensers))
    for entries in ledger.merged():
        state.append("ledger", list(ledger_of(keys_of(entries), entries["slot"]).items()))
        state.save(0, 0)
    state.put({}, {}, live)


def _swap(part: Path, folder: Path) -> None:
    """Let the built state take the old one's place; ``_finish_swap`` ends what a crash cut short.

    Step 1  the old one goes aside
    Step 2  the new one takes its name
    Step 3  the old one is removed
    """
    old = folder.with_name(folder.name + REPLACED)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _finish_swap(folder: Path) -> None:
    """Without a state, the one set aside serves: it is older, and catches up."""
    old = folder.with_name(folder.name + REPLACED)
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(folder.with_name(folder.name + BUILDING), ignore_errors=True)

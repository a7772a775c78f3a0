"""The state of the merge against one that is built from the tables, byte for byte.

A state that a crash left behind the tables is as it should be: the next run brings it up, and that
is done here as well, without saving it.
"""

from __future__ import annotations

import shutil
from itertools import zip_longest

from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout, layout_of
from pipeline.store.state_catch_up import catch_up
from pipeline.store.state_db import Marker, StateDb
from pipeline.store.state_rebuild import contradiction, rebuild
from pipeline.store.state_rows import StateRows
from pipeline.store.state_slots import UnmatchedLedgerError
from pipeline.store.verify.check import Found, Stored, told
from schemas.tables import Track

_SCRATCH = "verify.part"


def state(track: Track, stored: Stored) -> Found:
    """What the merge knows is what the tables say."""
    layout = stored.layout
    if layout.disk is None or not layout.state(track).exists():
        return Found(0)  # the next opening builds it
    scratch = layout_of(layout.disk / _SCRATCH)
    shutil.rmtree(scratch.root, ignore_errors=True)
    try:
        scratch.state(track).parent.mkdir(parents=True)
        rebuild(scratch, stored.tables, track, Marker())
        return _compared(layout, scratch, track, stored.tables)
    finally:
        shutil.rmtree(scratch.root, ignore_errors=True)


def _compared(layout: Layout, scratch: Layout, track: Track, tables: DeltaTables) -> Found:
    kept, built = StateDb(layout.state(track)), StateDb(scratch.state(track))
    looked_at, problems = 0, list[str]()
    try:
        if kept.marker.batch < tables.committed("uploads"):
            catch_up(kept, StateRows(tables, track))
        for one, other in zip_longest(kept.contents(), built.contents()):
            looked_at += 1
            if one != other:
                name = (one or other or ("",))[0]
                problems.append(
                    f"state/{track}: {name} differ from the tables from entry {looked_at:,} on; "
                    "run nhi-upload store rebuild-state"
                )
                break
    except UnmatchedLedgerError as error:
        raise contradiction(track) from error
    finally:
        kept.abandon()
        kept.close()
        built.close()
    return Found(looked_at, told(problems))

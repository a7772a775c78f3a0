"""PURE, given a State: validated uploads → what the merge decides of them.

Gathers what the merge needs, runs it, and says what becomes of the tables, of the state and of the
records that a state rule breaks. Does not change the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.columns import Int64
from pipeline.core import Processed
from pipeline.merge.candidates import Candidates, candidates, work_of
from pipeline.merge.changes import Changes
from pipeline.merge.keys import live_keys
from pipeline.merge.ledger import ledger_changes
from pipeline.merge.merge import Hold, Merged, MergePolicy, Work, merge
from pipeline.merge.recall import Known
from pipeline.merge.remember import Remembered, remember
from pipeline.merge.state import State
from pipeline.merge.state_findings import severities, with_findings
from pipeline.merge.state_items import Items
from pipeline.outcome import Mode


@dataclass(frozen=True)
class Decided:
    """What became of the records of a batch.

    ``processed`` has the findings and verdicts of the merge, ``remembered`` is for the state.
    ``standing``: by row of a rejected correction, sequence and record of the version that stands.
    """

    processed: Processed
    candidates: Candidates
    work: Work
    before: Known
    merged: Merged
    remembered: Remembered

    @property
    def held(self) -> tuple[Hold, ...]:
        """Uploads of which nothing was merged."""
        return self.merged.held

    @property
    def standing(self) -> dict[int, tuple[int, int]]:
        at = np.flatnonzero(self.merged.standing >= 0)
        versions = zip(
            self.merged.standing[at].tolist(), self.merged.standing_record[at].tolist(), strict=True
        )
        return dict(zip(self.candidates.row[at].tolist(), versions, strict=True))

    @property
    def winners(self) -> Int64:
        """Candidates that are live versions now, in order."""
        return np.sort(self.merged.holder[self.merged.holder >= 0]).astype(np.int64)

    @property
    def replaced(self) -> tuple[Items, Int64]:
        """Versions that are no longer live, and a candidate of the same key for each."""
        gone = np.flatnonzero(self.merged.changed & (self.before.live == 1))
        named = np.empty(len(self.before.live), np.int64)
        named[self.work.records["entry"]] = np.arange(len(self.candidates))
        return self.before.entries[gone], named[gone]

    @property
    def applied(self) -> Int64:
        """Candidates that belong in the history."""
        return np.flatnonzero(self.merged.done).astype(np.int64)

    def ledger(self, buckets: int) -> Changes:
        """What happens to ``prescriptions``."""
        return ledger_changes(self.before, self.merged, buckets)


def decide(
    processed: Processed, sequences: Sequence[int], state: State, policy: MergePolicy,
    *, guarded: bool = True,
) -> Decided:  # fmt: skip
    """Merge a batch whose uploads stand in order of their ``sequences``.

    ``guarded``: uploads that would delete too much are held; a released one isn't asked again.
    """
    mode = _mode(processed)
    found = candidates(processed, sequences)
    known, work = work_of(processed, found, state)

    def live_visits(owner: int, month: int) -> int:
        return state.live(live_keys(np.array([owner], np.uint64), np.array([month], np.int32)))[0]

    severe = severities(processed.plan, mode)
    merged = merge(
        known, work, policy, severe,
        live_visits if guarded and mode == "official" else None,
    )  # fmt: skip
    told = with_findings(processed, found, merged, severe, mode, policy)
    told = replace(told, held=frozenset(hold.upload for hold in merged.held))
    return Decided(told, found, work, known, merged, remember(known, merged))


def _mode(processed: Processed) -> Mode:
    """The mode of a batch; its uploads all have the same."""
    (mode,) = {envelope.mode for envelope in processed.envelopes}
    return mode

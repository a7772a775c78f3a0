"""PURE, given a State: validated uploads → what the merge decides of them, with its findings.

Gathers what the merge needs, runs it, and says which records become live versions, which versions
are no longer live, and which records a state rule breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.columns import Batch, Int32, Int64, UInt8
from pipeline.core import Processed
from pipeline.duty import LATE, LATE_EMERGENCY, late
from pipeline.kernels import latest
from pipeline.keys import Candidates, month_of
from pipeline.merge import Merged, MergePolicy, Records, merge
from pipeline.outcome import Envelope, Findings, Mode, Verdict
from pipeline.places import places
from pipeline.state import State
from rules.plan import Plan

TAIPEI: Final = ZoneInfo("Asia/Taipei")

RULES: Final = {
    (latest.NOT_OWN, True): "state/not-own-record",
    (latest.NOT_OWN, False): "state/delete-of-not-own-record",
    (latest.TOO_LATE, True): "state/correction-too-late",
    (latest.NOT_THERE, False): "state/delete-of-unknown",
}
"""The rule that an outcome breaks, by whether the record is a put."""


def decided_rules(mode: Mode) -> frozenset[str]:
    """The state rules that a merge decides; a pre-check knows pre-checked records only, and has
    no duty to come in time."""
    if mode == "precheck":
        return frozenset(RULES.values()) - {RULES[latest.NOT_THERE, False]}
    return frozenset({*RULES.values(), LATE, LATE_EMERGENCY})


@dataclass(frozen=True)
class Decisions:
    """What became of the accepted records of a batch.

    ``outcome`` is per candidate. ``entries`` are the distinct keys in the state, ``merged`` what
    the merge gave for them, ``first`` a candidate of each. ``winners`` are candidates that hold
    their key now, in order; ``applied`` those that belong in the history.
    """

    candidates: Candidates
    outcome: UInt8
    entries: Int32
    merged: Merged
    first: Int64

    @property
    def winners(self) -> Int32:
        holders = self.merged.latest[self.merged.latest >= 0]
        return np.sort(holders)

    @property
    def applied(self) -> Int64:
        return np.flatnonzero(self.outcome == latest.DONE).astype(np.int64)

    @property
    def removed(self) -> tuple[Int32, Int64]:
        """Entries whose version before is no longer live, and a candidate that names each."""
        gone = self.merged.removed == 1
        return self.entries[gone], self.first[gone]


def decide(processed: Processed, found: Candidates, state: State, policy: MergePolicy) -> Decisions:
    """Merge a batch whose uploads stand in sequence order. Does not change the state."""
    upload = processed.batch.record_upload[found.row]
    entries, first, key = np.unique(
        state.entries(found.key), return_index=True, return_inverse=True
    )
    records = Records(
        key.astype(np.int64),
        found.action,
        _institutions(processed.envelopes, state)[upload],
        found.visit_month,
        _received_months(processed.envelopes)[upload],
    )
    merged = merge(state.known(entries), records, policy)
    return Decisions(found, merged.outcome, entries, merged, first.astype(np.int64))


def with_findings(
    processed: Processed, decided: Decisions, mode: Mode, policy: MergePolicy
) -> Processed:
    """The uploads with the findings of the merge among the others, and the verdicts they lead to.

    A pre-check knows pre-checked records only, so there "no such record" is not checked; nor has
    it a duty to come in time.
    """
    found, done = decided.candidates, decided.outcome == latest.DONE
    rule = _broken_rules(processed.plan, decided)
    if mode == "precheck":
        rule[decided.outcome == latest.NOT_THERE] = -1
    else:
        first = done & (decided.merged.first == 1)
        rule = np.where(done, late(processed, found, first, policy), rule).astype(np.int32)
    broken = rule >= 0
    if not broken.any():
        return processed
    row = found.row[broken]
    findings = _findings(processed, row.astype(np.int32), rule[broken])
    verdict = processed.verdict.copy()
    verdict[row] = np.where(done[broken], Verdict.WARNED, Verdict.REJECTED)
    return replace(processed, findings=_together(processed.findings, findings), verdict=verdict)


def _broken_rules(plan: Plan, decided: Decisions) -> Int32:
    """The rule each candidate breaks, as an index of the plan's; -1 for none."""
    put = decided.candidates.action == latest.PUT
    rule = np.full(len(put), -1, np.int32)
    for (outcome, of_put), rule_id in RULES.items():
        rule[(decided.outcome == outcome) & (put == of_put)] = plan.by_id[rule_id]
    return rule


def _findings(processed: Processed, row: Int32, rule: Int32) -> Findings:
    names, rules = processed.findings.names, processed.plan.rules
    field_of = {r: names.index(rules[r].field) for r in np.unique(rule).tolist()}
    field = np.array([field_of[r] for r in rule.tolist()], np.int32)
    order = np.full(len(row), -1, np.int32)
    place = places(processed.batch, field, row, order)
    return Findings(row, order, field, rule, *place, names)


def _together(old: Findings, new: Findings) -> Findings:
    columns = ("record", "order", "field", "rule", "offset", "length", "value_offset",
               "value_length")  # fmt: skip
    joined = {c: np.concatenate([getattr(old, c), getattr(new, c)]) for c in columns}
    place = np.lexsort((joined["field"], joined["order"], joined["record"]))
    return Findings(**{c: a[place] for c, a in joined.items()}, names=old.names)


def _institutions(envelopes: Sequence[Envelope], state: State) -> Int32:
    return np.array([state.institution_code(e.institution or "") for e in envelopes], np.int32)


def _received_months(envelopes: Sequence[Envelope]) -> Int32:
    return np.array(
        [month_of(e.received_at.astimezone(TAIPEI).date()) for e in envelopes], np.int32
    )


def record_offsets(batch: Batch, row: Int64) -> Int64:
    """Where records begin, in bytes of their own upload."""
    return batch.record_offset[row].astype(np.int64) - batch.start[batch.record_upload[row]]

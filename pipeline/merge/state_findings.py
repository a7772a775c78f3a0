"""PURE: what a merge found broken, as findings among those of validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32
from pipeline.core import Processed
from pipeline.kernels import merge_faults as faults
from pipeline.merge.candidates import Candidates
from pipeline.merge.duty import LATE, LATE_EMERGENCY, late
from pipeline.merge.merge import Merged, MergePolicy, Severities
from pipeline.outcome import Findings, Mode, Verdict
from pipeline.parse.places import places
from rules.plan import Plan

_ORIGINAL: Final = "state/original-visit-unknown/"
_DISPENSING: Final = "state/dispensing-not-allowed/"
_REFILLS: Final = "state/refill-not-cancellable/"

RULES: Final = {
    faults.NOT_OWN: "state/not-own-record",
    faults.TOO_LATE: "state/correction-too-late",
    faults.SAME_SECOND: "state/earlier-record-conflicts/elsewhere-at-same-time",
    faults.ELSEWHERE_UNKNOWN: _ORIGINAL + "elsewhere",
    faults.HERE_UNKNOWN: _ORIGINAL + "here",
    faults.ELSEWHERE_TYPE: _ORIGINAL + "elsewhere-visit-type",
    faults.HERE_TYPE: _ORIGINAL + "here-visit-type",
    faults.OTHER_SEQUENCE: _ORIGINAL + "other-sequence",
    faults.OTHER_DAY_OR_DOCTOR: _ORIGINAL + "not-same-day-and-doctor",
    faults.UNKNOWN_C: "state/prescription-not-uploaded/chronic",
    faults.UNKNOWN_F: "state/prescription-not-uploaded/controlled",
    faults.LEG_CANCELLED: _DISPENSING + "leg-cancelled",
    faults.LEG_ELSEWHERE: _DISPENSING + "leg-dispensed-elsewhere",
    faults.ORDER_C: _DISPENSING + "leg-out-of-order/chronic",
    faults.ORDER_F: _DISPENSING + "leg-out-of-order/controlled",
    faults.TAKEN_BACK_C: _DISPENSING + "leg-taken-back-though-dispensed/chronic",
    faults.TAKEN_BACK_F: _DISPENSING + "leg-taken-back-though-dispensed/controlled",
    faults.TOO_OFTEN: "state/dispensed-too-often",
    faults.NOT_THERE: "state/delete-of-unknown",
    faults.NOT_OWN_DELETED: "state/delete-of-not-own-record",
    faults.ID_UNUSABLE: _DISPENSING + "id-unusable",
    faults.PRESCRIPTION_MOVED_ON: _REFILLS + "prescription-moved-on",
    faults.DISPENSING_MOVED_ON: _REFILLS + "dispensing-moved-on",
    faults.NOTHING_OPEN: _REFILLS + "nothing-open",
    faults.NOTHING_CANCELLED: _REFILLS + "nothing-cancelled",
}
"""The rule of every bit of the merge's answers."""

STANDS: Final = "state/earlier-version-stands"

_UNKNOWN_IN_PRECHECK: Final = (
    faults.ELSEWHERE_UNKNOWN, faults.HERE_UNKNOWN, faults.UNKNOWN_C, faults.UNKNOWN_F,
    faults.NOT_THERE,
)  # fmt: skip


def decided_rules(mode: Mode) -> frozenset[str]:
    """The state rules that a merge decides; a pre-check knows pre-checked records only, and has
    no duty to come in time."""
    if mode == "precheck":
        untold = {RULES[bit] for bit in _UNKNOWN_IN_PRECHECK}
        return frozenset({*RULES.values(), STANDS} - untold)
    return frozenset({*RULES.values(), STANDS, LATE, LATE_EMERGENCY})


def severities(plan: Plan, mode: Mode) -> Severities:
    """Which of the merge's bits reject, by the severities of their rules.

    What the plan has no rule for, such as all of them in 1.0, is untold.
    """
    rejecting = untold = 0
    for bit, rule in RULES.items():
        number = plan.by_id.get(rule)
        if number is None or (mode == "precheck" and bit in _UNKNOWN_IN_PRECHECK):
            untold |= 1 << bit
        elif plan.rules[number].severity == "reject":
            rejecting |= 1 << bit
    return Severities(rejecting, untold)


def with_findings(
    processed: Processed, found: Candidates, merged: Merged, severe: Severities, mode: Mode,
    policy: MergePolicy,
) -> Processed:  # fmt: skip
    """The uploads with the findings of the merge among the others, and the verdicts of all."""
    known = processed.plan.by_id
    rows, rules = [np.empty(0, np.int64)], [np.empty(0, np.int32)]

    def tell(which: npt.NDArray[np.bool_], rule: Int32) -> None:
        rows.append(found.row[which])
        rules.append(rule[which])

    def tell_one(which: npt.NDArray[np.bool_], rule_id: str) -> None:
        if which.any():  # what the plan has no rule for is never broken
            tell(which, np.full(len(found), known[rule_id], np.int32))

    for bit, rule_id in RULES.items():
        tell_one((merged.broken >> np.uint32(bit) & np.uint32(1)) == 1, rule_id)
    if STANDS in known:
        tell_one(merged.standing >= 0, STANDS)
    if mode == "official" and LATE in known:
        rule = late(processed, found, (merged.done == 1) & (merged.first == 1), policy)
        tell(rule >= 0, rule)
    row, broken = np.concatenate(rows), np.concatenate(rules)
    if not len(row):
        return processed
    verdict = processed.verdict.copy()
    np.maximum.at(verdict, row, np.uint8(Verdict.WARNED))
    verdict[found.row[merged.broken & np.uint32(severe.rejecting) != 0]] = Verdict.REJECTED
    findings = _findings(processed, row.astype(np.int32), broken)
    return replace(
        processed, findings=_together(processed.findings, findings, processed.plan), verdict=verdict
    )


def _findings(processed: Processed, row: Int32, rule: Int32) -> Findings:
    names, rules = processed.findings.names, processed.plan.rules
    field_of = {r: names.index(rules[r].field) for r in np.unique(rule).tolist()}
    field = np.array([field_of[r] for r in rule.tolist()], np.int32)
    order = np.full(len(row), -1, np.int32)
    place = places(processed.batch, field, row, order)
    return Findings(row, order, field, rule, *place, names)


def _together(old: Findings, new: Findings, plan: Plan) -> Findings:
    """Both, ordered as validation orders its own: of one field by code, so does a stored answer."""
    columns = ("record", "order", "field", "rule", "offset", "length", "value_offset",
               "value_length")  # fmt: skip
    joined = {c: np.concatenate([getattr(old, c), getattr(new, c)]) for c in columns}
    used, number = np.unique(joined["rule"], return_inverse=True)
    names = [(plan.rules[rule].code, plan.rules[rule].id) for rule in used.tolist()]
    rank = np.argsort(np.array(sorted(range(len(names)), key=names.__getitem__), np.intp))[number]
    keys = (rank, joined["field"], joined["order"], joined["record"])
    place = np.lexsort((joined["offset"], *keys))
    return Findings(**{c: a[place] for c, a in joined.items()}, names=old.names)

"""The slow, obvious twin of the merge: uploads one by one, record by record (docs/MERGE.md).

Validation and the severities of rules come from the plan; everything else is dictionaries here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from pipeline.core import Processed, process
from pipeline.outcome import Envelope, Verdict
from rules import load_plan
from schemas import ORDER_FIELDS, VISIT_FIELDS
from tests.oracle.ledger import Ledger
from tests.oracle.put_rules import Broken, Put
from tests.oracle.visit import REFILL_KINDS, Visit, identifies

TAIPEI = ZoneInfo("Asia/Taipei")
ACTIONS = {"A": "put", "B": "put", "C": "cancel", "D": "delete", "E": "uncancel"}
HELD_SHARE, HELD_ABOVE = 30, 20  # percent of an institution's live visits of a month; deletes
DAY, HOUR = 24 * 3600, 3600
RECORD = re.compile(rb"<REC>.*?</REC>", re.DOTALL)


@dataclass(frozen=True, order=True)
class Found:
    """A finding: ``order`` is -1 for one of the record; ``row`` of docs/MERGE.md, 0 for others.

    ``stands`` is the upload and record of the version that stands after a rejected correction.
    """

    record: int
    order: int
    field: str
    rule: str
    row: int = 0
    stands: tuple[str, int] | None = None


@dataclass(frozen=True)
class Hold:
    """Why an upload is held: deletes of an institution's live visits of a month."""

    sequence: int
    month: str
    deletes: int
    live: int


@dataclass
class Answer:
    """What became of an upload."""

    upload: str
    sequence: int
    envelope: Envelope
    payload: bytes
    processed: Processed
    verdicts: list[Verdict]
    findings: list[Found] = field(default_factory=list)
    hold: Hold | None = None
    status: str = "done"

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return self.verdicts.count(Verdict.REJECTED)


@dataclass
class Replay:
    """All that must be known after some uploads: live visits, ledger, history, answers."""

    precheck: bool = False
    guarded: bool = True
    live: dict[str, Visit] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    history: list[tuple[str, Visit]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    sequence: int = 0

    def take(self, upload: str, payload: bytes, envelope: Envelope) -> Answer:
        """One upload: it is merged record by record, or held."""
        processed = process(payload, envelope, load_plan())
        answer = Answer(
            upload, self._next(), processed.envelopes[0], payload, processed,
            [Verdict(v) for v in processed.verdict], validated(processed),
        )  # fmt: skip
        self.answers.append(answer)
        if processed.refusals[0]:
            answer.status = "refused"
            return answer
        visits = read_visits(answer)
        answer.hold = self._mass_delete(answer, visits)
        if answer.hold:
            answer.status = "held"
        else:
            self._merge(answer, visits)
        return answer

    def release(self, answer: Answer) -> None:
        """A held upload is merged now, under a sequence of its own."""
        assert answer.status == "held"
        answer.status, answer.sequence = "done", self._next()
        self._merge(answer, read_visits(answer))

    def drop(self, answer: Answer) -> None:
        """A held upload is given up."""
        assert answer.status == "held"
        answer.status = "dropped"

    def live_counts(self) -> Counter[tuple[str, str | None]]:
        """Live visits of each institution and visit month."""
        return Counter((visit.institution, visit.month) for visit in self.live.values())

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def _mass_delete(self, answer: Answer, visits: list[Visit]) -> Hold | None:
        """Whether an upload would delete too much at once, counted just before it."""
        if self.precheck or not self.guarded:
            return None
        named = {
            visit.key
            for visit, verdict in zip(visits, answer.verdicts, strict=True)
            if visit.text("H01") == "D" and verdict != Verdict.REJECTED
        }
        own = [self.live[key] for key in named & self.live.keys()]
        sender = answer.envelope.institution
        deletes = Counter(v.month for v in own if v.institution == sender and v.month)
        for month, count in sorted(deletes.items()):
            live = self.live_counts()[sender or "", month]
            if count > HELD_ABOVE and count * 100 >= live * HELD_SHARE:
                return Hold(answer.sequence, month, count, live)
        return None

    def _merge(self, answer: Answer, visits: list[Visit]) -> None:
        for row, visit in enumerate(visits):
            if answer.verdicts[row] != Verdict.REJECTED:
                self._record(answer, row, visit)
            if answer.verdicts[row] == Verdict.REJECTED:
                self._tell_what_stands(answer, visit)

    def _record(self, answer: Answer, row: int, visit: Visit) -> None:
        """A record that passed validation: told what it breaks; done unless that rejects it."""
        action = ACTIONS[visit.text("H01")]
        broken = sorted(set(self._broken(action, visit)))
        plan = load_plan()
        severity = [plan.rules[plan.by_id[rule]].severity for _, _, rule in broken]
        for number, name, rule in broken:
            answer.findings.append(Found(visit.record, -1, name, rule, number))
        if "reject" in severity:
            answer.verdicts[row] = Verdict.REJECTED
            return
        if action == "put":
            late = self._late(visit)
            answer.findings += late
            severity += ["warn" for _ in late]
        if severity:
            answer.verdicts[row] = Verdict.WARNED
        if action == "put" or self._is_there(action, visit):
            self.history.append((action, visit))
            self.apply(action, visit)

    def _broken(self, action: str, visit: Visit) -> list[Broken]:
        if action == "put":
            return self._broken_by_put(visit)
        live = self.live.get(visit.key)
        if action != "delete" and not identifies(visit.text("M15")):
            return [(18, "M15", "state/dispensing-not-allowed/id-unusable")]
        if live and live.institution != visit.institution:
            return [(17, "H01", "state/delete-of-not-own-record")]
        if live is None or not self._is_there(action, visit):
            return [] if self.precheck else [(16, "H01", "state/delete-of-unknown")]
        if action == "delete":
            return self._broken_by_delete(live)
        no, rule, those = {
            "cancel": (21, "nothing-open", bool(self.ledger.open_refills(live))),
            "uncancel": (22, "nothing-cancelled", self._is_cancelled(live.key)),
        }[action]
        return [] if those else [(no, "H01", "state/refill-not-cancellable/" + rule)]

    def _is_there(self, action: str, visit: Visit) -> bool:
        """Whether there is something to delete, cancel or restore."""
        live = self.live.get(visit.key)
        if live is None or action == "delete":
            return live is not None
        return any(live.allows(kind) for kind in REFILL_KINDS)

    def _is_cancelled(self, prescription: str) -> bool:
        return any(self.ledger.cancelled(prescription, kind) for kind in REFILL_KINDS)

    def _broken_by_put(self, visit: Visit) -> list[Broken]:
        live = self.live.get(visit.key)
        if live and live.institution != visit.institution:
            return [(1, "M15", "state/not-own-record")]
        if live and live.day:
            received = visit.received_at.astimezone(TAIPEI)
            months = (received.year - live.day.year) * 12 + received.month - live.day.month
            if months > 1:
                return [(2, "M11", "state/correction-too-late")]
        broken = Put(visit, live, self.live, self.ledger).broken()
        # An unknown original may only never have been pre-checked.
        return [b for b in broken if not (self.precheck and b[0] in (4, 5, 10))]

    def _broken_by_delete(self, live: Visit) -> list[Broken]:
        rule, broken = "state/refill-not-cancellable/", []
        of = self.ledger.of(live.key)
        if any(slot.by and slot.institution != live.institution for slot in of.values()):
            broken.append((19, "H01", rule + "prescription-moved-on"))
        held = self.ledger.held_by(live.key) if live.dispenses else []
        if any(self._moved_on(live, *refill) for refill in held):
            broken.append((20, "H01", rule + "dispensing-moved-on"))
        return broken

    def _moved_on(self, live: Visit, prescription: str, place: tuple[str, int]) -> bool:
        """Whether others have gone on from a refill that this visit dispensed."""
        kind, refill = place
        issuer = self.live.get(prescription)
        own = issuer is not None and issuer.institution == live.institution
        dispensed = self.ledger.dispensed(prescription, kind).items()
        elsewhere = {r for r, slot in dispensed if slot.institution != live.institution}
        cancelled = set() if own else self.ledger.cancelled(prescription, kind)
        return kind in REFILL_KINDS and any(r > refill for r in elsewhere | cancelled)

    def apply(self, action: str, visit: Visit) -> None:
        """What an accepted record does."""
        if action == "put":
            self.ledger.give_back(visit.key)
            self.live[visit.key] = visit
            self.ledger.dispense(visit)
            self.ledger.forget_cancelled(visit.key, {k: visit.allows(k) for k in REFILL_KINDS})
        elif action == "delete":
            del self.live[visit.key]
            self.ledger.give_back(visit.key)
            self.ledger.forget_cancelled(visit.key, dict.fromkeys(REFILL_KINDS, 0))
        elif action == "cancel":
            self.ledger.cancel(self.live[visit.key], visit)
        else:
            self.ledger.forget_cancelled(visit.key, dict.fromkeys(REFILL_KINDS, 0))

    def _late(self, visit: Visit) -> list[Found]:
        """The duty to come in time, which only the first upload of a visit has."""
        if self.precheck or visit.key in self.live:
            return []
        received = visit.received_at.astimezone(TAIPEI).replace(tzinfo=None)
        after = (received - visit.moment).total_seconds()
        emergency = visit.text("M07") == "04"
        rule = "emergency-not-within-an-hour" if emergency else "not-within-a-day"
        late = after > (HOUR if emergency else DAY)
        return [Found(visit.record, -1, "M11", "state/" + rule)] if late else []

    def _tell_what_stands(self, answer: Answer, visit: Visit) -> None:
        live = self.live.get(visit.key)
        put = visit.text("H01") in ("A", "B") and identifies(visit.text("M15"))
        if put and live and live.institution == visit.institution:
            rule, stands = "state/earlier-version-stands", (live.upload, live.record)
            answer.findings.append(Found(visit.record, -1, "M15", rule, stands=stands))


def read_visits(answer: Answer) -> list[Visit]:
    """Every record of an upload, rejected or not."""
    batch = answer.processed.batch
    places = [match.span() for match in RECORD.finditer(answer.payload)]
    visits = []
    for row in range(batch.visits.rows):
        orders = tuple(
            {name: batch.value(True, i, order) for i, name in enumerate(ORDER_FIELDS)}
            for order in range(batch.first_order[row], batch.first_order[row + 1])
        )
        said = {name: batch.value(False, i, row) for i, name in enumerate(VISIT_FIELDS)}
        visits.append(Visit(
            answer.envelope.institution or "", answer.sequence, int(batch.record_number[row]),
            answer.envelope.received_at, said, orders, answer.upload, places[row],
        ))  # fmt: skip
    return visits


def validated(processed: Processed) -> list[Found]:
    """The findings of validation."""
    found, rules = processed.findings, processed.plan.rules
    number = processed.batch.record_number
    return [
        Found(
            int(number[found.record[i]]),
            int(found.order[i]),
            found.names[found.field[i]],
            rules[found.rule[i]].id,
        )
        for i in range(len(found))
    ]


def without_row(found: Found) -> Found:
    """A finding as a receipt has it."""
    return replace(found, row=0)

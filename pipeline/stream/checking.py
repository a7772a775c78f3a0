"""``worker validate``: claims → checked uploads → shares for the partitions, and what was found.

Of each way, in its order: what comes of an upload is sent before the mark behind it, so whoever
sees the mark has seen all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from pipeline.batches import Checker, Intake, Part
from pipeline.errors import StoreUnusableError, kind_and_place
from pipeline.ingest.unpack import Payload
from pipeline.merge.merge import MergePolicy
from pipeline.metrics import Metrics
from pipeline.outcome import Counts, Refusal
from pipeline.results import Receipted, finding_rows, processed_row, upload_row
from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.deciding import FAILED
from pipeline.stream.letters import DeadLetters
from pipeline.stream.messages import CLAIM, Claim, PoisonError, number_in, pack, unpack
from pipeline.stream.objects import Objects
from pipeline.stream.parts import MARK, Checked, pack_checked, pack_mark
from pipeline.stream.routing import shares
from pipeline.stream.topics import Stream

SHARE: Final = "share"
MOST: Final = 400  # messages looked at together
MOST_BYTES: Final = 32 << 20
_WAIT_SECONDS: Final = 0.2
_NOTHING: Final = Counts()

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judge:
    """How uploads are checked, and cut for ``buckets`` of persons.

    ``plan`` is the hash of the plan of 2.0, which answers for what could not be unpacked.
    """

    checker: Checker
    plan: str
    buckets: int
    policy: MergePolicy


@dataclass(frozen=True)
class _Upload:
    sequence: int
    claim: Claim
    payload: Payload | None = None

    @property
    def came_before(self) -> bool:
        """Whether its very claim came before: it has its row, or will have it."""
        return self.claim.repeats is not None and self.claim.repeats[0] == self.claim.upload_id

    @property
    def is_checked(self) -> bool:
        """Whether its bytes are looked at."""
        return self.claim.repeats is None and not self.claim.dropped


class CheckingWorker:
    """A member of the group that checks.

    ``recorded`` gives the sequence up to which the tables hold everything: that is not checked
    again, should the group have forgotten how far it was.
    """

    def __init__(
        self, cluster: Cluster, stream: Stream, objects: Objects, judge: Judge, metrics: Metrics,
        *, recorded: Callable[[], int], member: str | None = None,
    ) -> None:  # fmt: skip
        self._stream, self._metrics = stream, metrics
        self._objects = objects
        self._judge = judge
        self._sender = Sender(cluster)
        self._letters = DeadLetters(self._sender, stream, metrics)
        self._reader = Reader(
            cluster, stream.topic("uploads"), group=stream.topic("validate"), member=member,
            taken=self._take, behind=metrics.lag,
        )  # fmt: skip
        self._standing, self._recorded = recorded, stream.after

    def run(self, going: Callable[[], bool]) -> None:
        """Check until ``going`` says no. Raises ``BrokerError``."""
        with self._reader:
            while going():
                self.turn()

    def turn(self) -> None:
        """Check what is there, waiting shortly if nothing is.

        Step 1  the uploads' bytes are checked, all ways together, and what came of them is sent
        Step 2  once the cluster has that, the marks behind them are sent
        Step 3  once the cluster has all that, the group is told
        """
        messages = self._reader.read(MOST, _WAIT_SECONDS)
        waiting, marks, size = list[_Upload](), list[tuple[int, int]](), 0
        for message in messages:
            try:
                kind, header, _ = unpack(message.value)
                if kind == MARK:
                    marks.append((message.partition, number_in(header, "through")))
                    continue
                if kind != CLAIM:
                    raise PoisonError(kind)
                sequence = number_in(header, "sequence")
                del header["sequence"]
                claim = Claim.of(header)
            except PoisonError as poison:
                self._letters.poison(message, poison)
                continue
            if sequence <= self._recorded:
                continue
            waiting.append(_Upload(sequence, claim))
            size += claim.size
            if size > MOST_BYTES:
                self._check(waiting)
                waiting, size = [], 0
        self._check(waiting)
        if marks:
            self._sender.flush()
        for way, through in marks:
            self._mark(way, through)
        if messages:
            self._sender.flush()
            self._reader.done({m.partition: m.offset + 1 for m in messages})

    def _check(self, uploads: Sequence[_Upload]) -> None:
        if not uploads:
            return
        with self._metrics.stage("check") as checked:
            self._check_together(uploads)
            checked |= {one.claim.upload_id: vars(one.claim) for one in uploads}
        self._metrics.taken(one.claim.size for one in uploads)

    def _check_together(self, uploads: Sequence[_Upload]) -> None:
        uploads = [one for one in uploads if not one.came_before]
        new = list(self._with_bytes([one for one in uploads if one.is_checked]))
        checked = self._judge.checker.check(_intake(new))
        for part in checked.parts:
            self._send_part(part, [new[place] for place in part.places])
        for place, payload in enumerate(checked.intake.uploads):
            if payload.refusal:
                self._send_refused(new[place], payload.refusal)
        for place, fault in checked.failed.items():
            self._fail(new[place], fault)
        for one in uploads:
            if one.claim.repeats:
                again = {"redelivery_of": one.claim.repeats[0], "plan": self._judge.plan}
                self._send(one, _bare(one) | again)
            elif one.claim.dropped:
                self._send(one, _bare(one))

    def _fail(self, one: _Upload, fault: Exception) -> None:
        self._letters.failed(one.claim, one.sequence, kind_and_place(fault))
        self._send(one, _bare(one) | {"status": FAILED})

    def _with_bytes(self, uploads: Sequence[_Upload]) -> Iterator[_Upload]:
        """Uploads with their bytes; those whose bytes are lost or damaged have failed."""
        for one in uploads:
            try:
                payload = self._payload(one.claim)
            except (KeyError, StoreUnusableError) as fault:
                self._fail(one, fault)
                continue
            yield replace(one, payload=payload)

    def _payload(self, claim: Claim) -> Payload:
        digest = bytes.fromhex(claim.sha256)
        if claim.refusal is not None:
            return Payload(claim.name, b"", digest, claim.refused)
        return Payload(claim.name, self._objects.read(claim.sha256), digest)

    def _send_part(self, part: Part, uploads: Sequence[_Upload]) -> None:
        processed, judge = part.processed, self._judge
        self._metrics.parsed(processed)
        claims = [
            replace(one.claim, institution=envelope.institution)
            for one, envelope in zip(uploads, processed.envelopes, strict=True)
        ]
        sequences = [one.sequence for one in uploads]
        records = self._stream.topic("records")
        for sequence, of, share in shares(
            processed, claims, sequences, judge.buckets, self._stream.partitions, judge.policy
        ):
            header = share.header | {"way": self._stream.way_of(sequence), "sequence": sequence}
            self._sender.send(records, of, pack(SHARE, header, share.records))
        receipted = [_receipted(one, claim) for one, claim in zip(uploads, claims, strict=True)]
        findings = finding_rows(processed, receipted)
        for place, one in enumerate(uploads):
            rows = processed.findings_of(place)
            own = findings.slice(rows.start, rows.stop - rows.start)
            self._send(one, processed_row(processed, place, receipted[place]), own)

    def _send_refused(self, one: _Upload, refusal: Refusal) -> None:
        row = upload_row(_receipted(one, one.claim), refusal, _NOTHING, self._judge.plan)
        self._send(one, row)

    def _send(self, one: _Upload, row: dict[str, Any], findings: pa.Table | None = None) -> None:
        found = findings if findings is not None and len(findings) else None
        first = one.claim.repeats[1] if one.claim.repeats else None
        checked = Checked(row, found, first, one.claim.decision)
        self._sender.send(
            self._stream.topic("verdicts"), self._verdicts(self._stream.way_of(one.sequence)),
            pack_checked(one.sequence, checked),
        )  # fmt: skip
        facts = {"upload_id": one.claim.upload_id, "sequence": one.sequence}
        _log.debug("checked", extra={"facts": facts})

    def _take(self, numbers: Sequence[int]) -> Mapping[int, int]:
        self._recorded = self._standing()
        return self._reader.kept(numbers)

    def _mark(self, way: int, through: int) -> None:
        mark = pack_mark(through, way)
        for of in range(self._stream.partitions):
            self._sender.send(self._stream.topic("records"), of, mark)
        self._sender.send(self._stream.topic("verdicts"), self._verdicts(way), mark)

    def _verdicts(self, way: int) -> int:
        return self._stream.partitions + way


def _intake(uploads: Sequence[_Upload]) -> Intake:
    claims = [one.claim for one in uploads]
    return Intake(
        [one.payload for one in uploads if one.payload], [claim.envelope for claim in claims],
        [claim.upload_id for claim in claims], archived=True,
    )  # fmt: skip


def _receipted(one: _Upload, claim: Claim) -> Receipted:
    return Receipted(claim.upload_id, claim.name, claim.sha256, one.sequence, claim.envelope)


def _bare(one: _Upload) -> dict[str, Any]:
    """The row of an upload of which nothing is checked."""
    return upload_row(_receipted(one, one.claim), None, _NOTHING, "")

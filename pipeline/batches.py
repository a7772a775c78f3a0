"""Edge: uploads as they come in → batches worth their fixed cost, checked, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.core import Processed, process_many
from pipeline.errors import kind_and_place
from pipeline.ingest.unpack import Payload
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Envelope, Mode
from pipeline.parse.parse import ParserChoice
from pipeline.parse.recognise import by_version
from pipeline.references import NONE, References
from pipeline.store.archive import compress
from pipeline.store.redelivery import FirstReceipt
from rules import load_plan
from rules.plan import Plan
from schemas import V2, Version

Plans = Callable[[Version], Plan]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """Uploads that are processed together, in the order of receipt; each with its envelope and id.

    ``before`` holds the places of those that were taken before, with their first receipt, which
    is ``None`` as long as the first one is itself still under way. ``archived``: their bytes are
    durable already.
    """

    uploads: Sequence[Payload]
    envelopes: Sequence[Envelope]
    upload_ids: Sequence[str]
    before: dict[int, FirstReceipt | None] = field(default_factory=dict)
    archived: bool = False

    @property
    def size(self) -> int:
        """Bytes of the payloads."""
        return sum(len(upload.data) for upload in self.uploads)

    def new(self) -> dict[Mode, list[int]]:
        """Places of the uploads that are to be processed, by the mode they were sent in."""
        found: dict[Mode, list[int]] = {}
        for place, (upload, envelope) in enumerate(zip(self.uploads, self.envelopes, strict=True)):
            if place not in self.before and upload.refusal is None:
                found.setdefault(envelope.mode, []).append(place)
        return found


@dataclass(frozen=True)
class Part:
    """Some uploads of an intake, processed together, by place; and the archive frames of those that
    are not archived yet."""

    places: tuple[int, ...]
    processed: Processed
    frames: tuple[bytes, ...]


@dataclass(frozen=True)
class Checked:
    """An intake after parsing and validation; ``failed`` are the uploads that we failed on."""

    intake: Intake
    parts: tuple[Part, ...]
    failed: dict[int, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class Checker:
    """How uploads are processed: everything but their bytes and envelopes. Any thread may call it.

    ``plans`` gives the plan for a version of the format.
    """

    plans: Plans
    parser: ParserChoice = "auto"
    utf8: bool = False
    limits: Limits = LIMITS
    references: References = NONE

    def check(self, intake: Intake) -> Checked:
        """Process an intake, by mode and version of the format. Where that fails, one by one, so
        that only the culprit is lost."""
        parts, failed = list[Part](), dict[int, Exception]()
        for places in intake.new().values():
            payloads = [intake.uploads[place].data for place in places]
            for version, chosen in by_version(payloads).items():
                of_version = [places[i] for i in chosen]
                try:
                    parts.append(self._process(intake, version, of_version))
                except Exception as fault:  # of ours: find the upload that brings it out
                    _log.error(
                        "processing %d uploads together failed (%s); now one by one",
                        len(of_version),
                        kind_and_place(fault),
                    )
                    self._one_by_one(intake, version, of_version, parts, failed)
        return Checked(intake, tuple(parts), failed)

    def _one_by_one(
        self, intake: Intake, version: Version, places: Sequence[int], parts: list[Part],
        failed: dict[int, Exception],
    ) -> None:  # fmt: skip
        for place in places:
            try:
                parts.append(self._process(intake, version, [place]))
            except Exception as error:
                failed[place] = error

    def _process(self, intake: Intake, version: Version, places: Sequence[int]) -> Part:
        payloads = [intake.uploads[place].data for place in places]
        processed = process_many(
            payloads, [intake.envelopes[place] for place in places], self.plans(version),
            self.parser, utf8=self.utf8, limits=self.limits, references=self.references,
        )  # fmt: skip
        frames = () if intake.archived else compress(payloads)
        return Part(tuple(places), processed, tuple(frames))


def plans_of(plan: Plan) -> Plans:
    """The plan of each version of the format, given that of 2.0."""

    def plans(version: Version) -> Plan:
        return plan if version is V2 else load_plan(version=version.number)

    return plans


def in_batches(
    uploads: Iterable[Payload], most_bytes: int, most_uploads: int
) -> Iterator[list[Payload]]:
    """Cut a stream of uploads before it exceeds ``most_bytes``; a larger upload comes alone."""
    batch, size = list[Payload](), 0
    for upload in uploads:
        if batch and (size + len(upload.data) > most_bytes or len(batch) >= most_uploads):
            yield batch
            batch, size = [], 0
        batch.append(upload)
        size += len(upload.data)
    if batch:
        yield batch

"""Checking without sending: the same engine and rules, and nothing is kept."""

from __future__ import annotations

from datetime import datetime

from pipeline.accounts.who import Who
from pipeline.batches import plans_of
from pipeline.core import process
from pipeline.desk.errors import NotThereError
from pipeline.ingest.unpack import Payload
from pipeline.outcome import Channel, Envelope, Mode
from pipeline.parse.recognise import recognise
from pipeline.reference.kept import read_snapshot, snapshot
from pipeline.references import NONE, References
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.settings import Settings
from pipeline.store.layout import Layout
from pipeline.version import ENGINE
from rules import load_plan
from schemas import V2


class Trials:
    """Verdicts without a store. What needs stored state is told as not checked."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self._layout = layout
        self._settings = settings
        self._plans = plans_of(load_plan())
        self._read: tuple[dict[str, str], References] = ({}, NONE)

    @property
    def references(self) -> References:
        """The reference tables in force, read again when others are."""
        known, in_force = self._read, snapshot(self._layout)
        if known[0] != in_force:
            known = in_force, read_snapshot(self._layout, in_force)
            self._read = known
        return known[1]

    def trial(
        self, who: Who, payload: Payload, institution: str, mode: Mode, received_at: datetime,
        channel: Channel = "web-api",
    ) -> Answer:  # fmt: skip
        """The answer to an upload as if it were sent now. Raises ``NotThereError``."""
        if not who.owns(institution):
            raise NotThereError
        envelope = Envelope(received_at, institution, channel, mode, payload.name)
        digest = payload.sha256.hex()
        if payload.refusal is not None:
            return unpacked_answer(digest, payload.refusal, load_plan(), envelope, ENGINE)
        # A pre-check is always of 2.0, whatever is sent.
        version = V2 if mode == "precheck" else recognise(payload.data)
        processed = process(
            payload.data, envelope, self._plans(version),
            utf8=self._settings.allow_utf8, limits=self._settings.limits,
            references=self.references,
        )  # fmt: skip
        return answer_of(processed, 0, digest, ENGINE)

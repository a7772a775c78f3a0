"""What the desk asks of the service that takes uploads in: ``pipeline.intake.service``, or
``pipeline.stream.service`` where others check and merge."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import pyarrow as pa

from pipeline.outcome import Decision
from pipeline.report.answer import Answer
from pipeline.stored import Row


class Outcomes(Protocol):
    """What the service knows that the tables don't yet."""

    def rows(self) -> list[Row]:
        """Rows of ``uploads`` decided that the table may lack."""

    def waiting(self) -> list[Row]:
        """What is known of uploads not yet decided; ``failed``: they wait for the next start."""

    def waits(self, upload_id: str) -> Row | None:
        """The same of one upload."""

    def row(self, upload_id: str) -> Row | None:
        """The row of ``uploads`` of what was decided lately."""

    def findings(self, upload_id: str) -> pa.Table | None:
        """Its rows of ``findings``."""

    def answer(self, upload_id: str) -> Answer | None:
        """Its answer."""


class SettlingHealth(Protocol):
    """How settling is."""

    @property
    def alive(self) -> bool:
        """Whether uploads are being settled."""

    @property
    def waiting(self) -> int:
        """How many uploads wait."""

    @property
    def oldest_seconds(self) -> float:
        """The age of the one that has waited longest."""

    @property
    def failed(self) -> int:
        """How many wait for the next start since we failed on them."""

    @property
    def last_commit(self) -> datetime | None:
        """When this service last committed to the tables."""

    @property
    def fault(self) -> str | None:
        """Why the store is not open now."""


class Settling(Protocol):
    """Who decides what becomes of uploads."""

    def health(self) -> SettlingHealth:
        """How settling is."""


class Service(Protocol):
    """A store open for uploads."""

    @property
    def outcomes(self) -> Outcomes:
        """What the tables don't have yet."""

    @property
    def settling(self) -> Settling:
        """Who decides what becomes of them."""

    def decide(self, upload_id: str, decision: Decision, by: str, /) -> str:
        """Release or drop a held upload; gives the status it had before, which stays if that was
        not ``held``."""

"""The desk: every question that people and programs may ask, with who asks first.

What somebody may not see is answered as what doesn't exist, by ``NotThereError``. Methods block
and may be called by any thread.
"""

from __future__ import annotations

from datetime import date, datetime

from pipeline.accounts.who import Who
from pipeline.desk.decisions import Decision, decide_held
from pipeline.desk.health import Health, health_of
from pipeline.desk.insurer import (
    MOST_INSTITUTIONS,
    Day,
    Found,
    Institutions,
    Order,
    Overview,
    require_insurer,
)
from pipeline.desk.receipts import Clock, Downloads, Grants, Receipt, Receipts
from pipeline.desk.record import RecordView, record_view
from pipeline.desk.results import Asked, ResultLists, Results
from pipeline.desk.service import Service
from pipeline.desk.trial import Trials
from pipeline.desk.uploads import Uploads
from pipeline.desk.visits import Visits
from pipeline.ingest.unpack import Payload
from pipeline.lineage.visit import Trace
from pipeline.outcome import Mode
from pipeline.report.answer import Answer
from pipeline.report.held_words import HeldUpload
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.settings import Settings
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.stored import StoredUploads
from pipeline.taipei import TAIPEI


class Desk:
    """Answers about one store. ``clock`` gives the present moment (aware)."""

    def __init__(
        self, store_uri: str, settings: Settings, service: Service, grants: Grants, clock: Clock
    ) -> None:
        self._settings = settings
        self._service = service
        self._clock = clock
        self._tables = KeptTables(store_uri)
        outcomes = service.outcomes
        uploads = Uploads(self._tables, outcomes)
        downloads = Downloads(grants, settings.download_days, clock)
        stored = StoredUploads(self._tables, settings.limits)
        self._receipts = Receipts(uploads, stored, outcomes, downloads)
        self._lists = ResultLists(self._tables, uploads, outcomes, downloads)
        self._visits = Visits(self._tables, self._receipts)
        self._trials = Trials(layout_of(store_uri), settings)
        self._overview = Overview(self._tables, uploads)

    # ---- an institution's own; the insurer sees the same of everybody ---------------------------

    def receipt(self, who: Who, upload_id: str) -> Receipt:
        """What became of an upload. Raises ``NotThereError``."""
        return self._receipts.receipt(who, upload_id)

    def reopen(self, who: Who, upload_id: str) -> datetime:
        """Make an upload's files available again; until when. Raises ``NotThereError``."""
        return self._receipts.reopen(who, upload_id)

    def results(
        self, who: Who, institution: str, first: date, last: date, *, mode: str | None = None,
        status: str | None = None, limit: int = 50, after: str | None = None,
    ) -> Results:  # fmt: skip
        """A page of an institution's uploads received on some days, the last first.

        Raises ``NotThereError``, and ``ValueError`` for an ``after`` that is no ``cursor``.
        """
        asked = Asked(first, last, mode, status, limit, after)
        return self._lists.results(who, institution, asked)

    def record(self, who: Who, upload_id: str, record: int) -> RecordView:
        """A record by its number (from 1), with its findings marked. Raises ``NotThereError``."""
        return record_view(self._receipts, who, upload_id, record)

    def precheck(self, who: Who, institution: str, as_of: date) -> InstitutionReport:
        """The 1.0-against-2.0 comparison of the seven days before. Raises ``NotThereError``."""
        return self._visits.precheck(who, institution, as_of)

    def visit(
        self, who: Who, institution: str | None, treatment_id: str, mode: Mode = "official"
    ) -> Trace:
        """Every version that an institution sent of a visit (``None``: all, for the insurer).

        Raises ``NotThereError``, and ``SpecialCodeError`` for a code that names several visits.
        """
        return self._visits.visit(who, institution, treatment_id, mode)

    def visit_of_record(self, who: Who, upload_id: str, record: int) -> Trace:
        """The same of the visit that a record names. Raises ``NotThereError``."""
        return self._visits.visit_of_record(who, upload_id, record)

    def trial(self, who: Who, payload: Payload, institution: str, mode: Mode) -> Answer:
        """The verdict alone: nothing is kept. Raises ``NotThereError``."""
        return self._trials.trial(who, payload, institution, mode, self._clock())

    # ---- the insurer's; for anybody else these raise NotThereError ------------------------------

    def institutions(
        self, who: Who, query: str = "", *, order: Order = "institution",
        limit: int = MOST_INSTITUTIONS, offset: int = 0,
    ) -> Institutions:  # fmt: skip
        """Institutions whose code begins with ``query``, with their uploads of seven days."""
        today = self._clock().astimezone(TAIPEI).date()
        return self._overview.institutions(
            who, query, today, order=order, limit=limit, offset=offset
        )

    def day(self, who: Who, day: date | None = None) -> Day:
        """What came in on a day, or today."""
        return self._overview.day(who, day or self._clock().astimezone(TAIPEI).date())

    def search(self, who: Who, text: str) -> Found:
        """Uploads and institutions by an id, a hash or a code."""
        return self._overview.search(who, text)

    def held(self, who: Who) -> list[HeldUpload]:
        """Uploads that wait since they would delete much."""
        return self._overview.held(who)

    def decide_held(self, who: Who, upload_id: str, decision: Decision) -> str:
        """Release or drop a held upload; gives the status it had before, which stays if that was
        not ``held``. Raises ``NotThereError``, also for auditors."""
        row = self._receipts.row(who, upload_id)
        return decide_held(who, row, decision, self._service)

    def health(self, who: Who) -> Health:
        """Whether the service does its work."""
        require_insurer(who)
        return health_of(self._tables, self._service.settling.health())

"""An institution's own history of a visit, and its pre-checks beside its 1.0 visits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Final

from pipeline.accounts.who import Who
from pipeline.comparison.window import Window
from pipeline.desk.errors import NotThereError, SpecialCodeError
from pipeline.desk.receipts import Receipts
from pipeline.lineage.follow import follow, follow_record
from pipeline.lineage.rows import Rows
from pipeline.lineage.visit import Trace, Visit
from pipeline.outcome import Mode
from pipeline.report.precheck.reports import InstitutionReport, compared_in, institution_reports
from pipeline.report.precheck.week import TABLES, read_week
from pipeline.store.kept import KeptTables

MOST_UPLOADS: Final = 200  # that are searched for records that were not taken
_TREATMENT_ID: Final = re.compile(r"[0-9A-Z]{20}")


class Visits:
    """Histories and comparisons, as the tables have them."""

    def __init__(self, tables: KeptTables, receipts: Receipts) -> None:
        self._tables = tables
        self._receipts = receipts

    def visit(self, who: Who, institution: str | None, treatment_id: str, mode: Mode) -> Trace:
        """Every version that an institution sent of a visit; of the insurer's people ``None`` asks
        for those of all institutions.

        Of a prescription it tells the statuses of the refills, but nothing of another institution.
        Raises ``NotThereError`` where it sent none, ``SpecialCodeError``.
        """
        text = treatment_id.strip().upper()
        if not who.sees(institution) or not _TREATMENT_ID.fullmatch(text):
            raise NotThereError
        visit = Visit(text, institution)
        rows = self._rows(mode, institution)
        if visit.special:
            visit = _only_candidate(rows, visit)
        trace = follow(rows, visit, most_uploads=MOST_UPLOADS)
        if not trace.versions:
            raise NotThereError
        return trace

    def visit_of_record(self, who: Who, upload_id: str, record: int) -> Trace:
        """The history of the visit that a record names. Raises ``NotThereError``, also while the
        tables don't have the upload."""
        row = self._receipts.row(who, upload_id)
        rows = self._rows(row["mode"], None if who.of_insurer else row["institution"])
        first = row["redelivery_of"] or upload_id
        stored = rows.uploads([first]).get(first)
        if stored is None:
            raise NotThereError
        try:
            return follow_record(rows, stored, record, most_uploads=MOST_UPLOADS)
        except LookupError:
            raise NotThereError from None

    def precheck(self, who: Who, institution: str, as_of: date) -> InstitutionReport:
        """The comparison of the seven days before. Raises ``NotThereError``."""
        if not who.sees(institution):
            raise NotThereError
        week = read_week(
            self._tables.store_uri, Window(as_of), institution,
            snapshot=self._tables.snapshot(*TABLES),
        )  # fmt: skip
        (report,) = institution_reports(week, compared_in(week, institution))
        return report

    def _rows(self, mode: Mode, institution: str | None) -> Rows:
        return Rows(self._tables.store_uri, mode, institution, self._tables)


def _only_candidate(rows: Rows, visit: Visit) -> Visit:
    """The one live visit that a special code can mean there."""
    candidates = rows.candidates(visit, 2)
    if not candidates:
        raise NotThereError
    if len(candidates) > 1:
        raise SpecialCodeError
    (one,) = candidates
    return replace(visit, institution=one["M05"], person=one["M03"], moment=one["M11"])

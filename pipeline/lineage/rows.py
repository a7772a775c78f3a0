"""The tables as a trace asks them: by partition and statistics where they help, never whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from pipeline.lineage.archived import Archived, open_archived
from pipeline.lineage.visit import Row, Visit
from pipeline.outcome import Mode
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.store.opening import config_of
from pipeline.store.read import Snapshot
from pipeline.taipei import TAIPEI
from schemas.tables import PRECHECK_TABLES, PREFIXES, TABLES

_TABLES: Final = ("visits", "orders", "history", "prescriptions", "findings", "uploads", "held")
_MARK: Final = 6  # characters of a treatment id that stand for its institution
_FAILED: Final = ("refused", "held", "dropped")
_A_DAY: Final = timedelta(days=1)  # by which a card reader's clock may be ahead
_OF_INSTITUTIONS: Final = ("visits", "history", "findings", "uploads", "held")
_EMPTY: Final = {name: pl.DataFrame(TABLES[name].schema.empty_table()).schema for name in _TABLES}


class Rows:
    """The rows of one mode. Raises ``StoreUnusableError`` for no store.

    ``institution``: only rows of what it sent; of the ledger, refills of prescriptions that it
    issued or dispensed, where other institutions and their records are left out. ``tables`` are
    kept open by who asks often.
    """

    def __init__(
        self,
        store_uri: str,
        mode: Mode,
        institution: str | None = None,
        tables: KeptTables | None = None,
    ) -> None:
        prefix = PREFIXES[mode]
        self._layout = layout_of(store_uri)
        self._buckets = config_of(self._layout).buckets
        self._names = {n: prefix + n if n in PRECHECK_TABLES else n for n in _TABLES}
        names = tuple(self._names.values())
        self._tables = tables.snapshot(*names) if tables else Snapshot(store_uri, names)
        self._institution = institution
        self.mode = mode

    def history(self, visit: Visit) -> list[Row]:
        """Records taken under a treatment id, in order; under a special code those of any person
        on that day at that institution."""
        chosen = pl.col("treatment_id") == visit.treatment_id
        if visit.special:
            chosen &= pl.col("institution") == visit.institution
            chosen &= pl.col("visit_date").eq_missing(pl.lit(visit.day, pl.Date))
        return self._rows("history", chosen, sort=("sequence", "record"))

    def live(self, visit: Visit, months: Iterable[str]) -> list[Row]:
        """The row of ``visits`` under the key, looked for in some visit months."""
        return self._rows("visits", self._of_key(visit, months))

    def orders(self, visit: Visit, month: str) -> list[Row]:
        """The rows of ``orders`` under the key."""
        return self._rows("orders", self._of_key(visit, [month]), sort=("order_no",))

    def ledger(self, prescription: Visit) -> list[Row]:
        """The refills of a prescription."""
        if prescription.special:
            return []
        chosen = (
            (pl.col("prescription_id") == prescription.treatment_id)
            & (pl.col("issued_month") == prescription.issued_month)
            & (pl.col("bucket") == prescription.bucket(self._buckets))
        )
        refills = self._rows("prescriptions", chosen, sort=("kind", "refill"))
        return refills if self._institution is None else _own_part(refills, self._institution)

    def candidates(self, visit: Visit, most: int) -> list[Row]:
        """Live visits under a special code that may be meant, the latest first."""
        chosen = pl.col("treatment_id") == visit.treatment_id
        for name, value in (
            ("M05", visit.institution), ("M03", visit.person), ("M11", visit.moment),
        ):  # fmt: skip
            if value is not None:
                chosen &= pl.col(name) == value
        columns = ["M05", "M03", "M11", "M07", "upload_id", "record", "sequence"]
        found = self._scan("visits").filter(chosen).select(columns)
        return _dicts(found.sort("sequence", descending=True).head(most))

    def uploads(self, upload_ids: Iterable[str]) -> dict[str, Row]:
        """Rows of ``uploads`` by upload id, whatever their mode."""
        wanted = sorted(set(upload_ids))
        found = self._scan("uploads").filter(pl.col("upload_id").is_in(wanted))
        return {row["upload_id"]: row for row in _dicts(found)}

    def uploads_by_sequence(self, sequences: Iterable[int]) -> dict[int, Row]:
        """Rows of ``uploads`` by sequence."""
        found = self._scan("uploads").filter(pl.col("sequence").is_in(sorted(set(sequences))))
        return {row["sequence"]: row for row in _dicts(found)}

    def failed_uploads(self, institutions: Sequence[str], since: date | None) -> list[Row]:
        """Uploads of which not every record was taken, in order; redeliveries left out."""
        chosen = (
            pl.col("institution").is_in(list(institutions))
            & (pl.col("mode") == self.mode)
            & pl.col("redelivery_of").is_null()
            & ((pl.col("records_rejected") > 0) | pl.col("status").is_in(_FAILED))
        )
        if since:
            chosen &= pl.col("received_at").dt.convert_time_zone(TAIPEI.key).dt.date() >= since
        return self._rows("uploads", chosen, sort=("sequence",))

    def findings(self, uploads: Iterable[Row]) -> list[Row]:
        """The findings of some uploads."""
        rows = list(uploads)
        days = sorted({row["received_at"].astimezone(TAIPEI).date() for row in rows})
        chosen = pl.col("received_date").is_in(days)
        chosen &= pl.col("upload_id").is_in(sorted({row["upload_id"] for row in rows}))
        return self._rows("findings", chosen)

    def told_of(self, visit: Visit, since: date | None) -> list[Row]:
        """Upload and record of the findings on M15 that show the treatment id."""
        chosen = (pl.col("field") == "M15") & (pl.col("value") == visit.treatment_id)
        if since:
            chosen &= pl.col("received_date") >= since
        named = self._scan("findings").filter(chosen).select("upload_id", "record").unique()
        return _dicts(named.sort("upload_id", "record"))

    def upload_ids(self, visit: Visit) -> set[str]:
        """Uploads of which a record was taken under a treatment id, or a finding shows it."""
        of_it = pl.col("treatment_id") == visit.treatment_id
        taken = self._scan("history").filter(of_it).select("upload_id").unique()
        return {row["upload_id"] for row in (*_dicts(taken), *self.told_of(visit, since(visit)))}

    def institutions_alike(self, visit: Visit) -> list[str]:
        """Institutions whose treatment ids begin as this one does."""
        alike = pl.col("treatment_id").str.starts_with(visit.treatment_id[:_MARK])
        found = self._scan("history").filter(alike).select(pl.col("institution").unique())
        return sorted(row["institution"] for row in _dicts(found))

    def held(self, upload_ids: Iterable[str] | None = None) -> list[Row]:
        """What became of uploads that were held, in order; of all of them for ``None``."""
        chosen = pl.lit(True)
        if upload_ids is not None:
            chosen = pl.col("upload_id").is_in(sorted(set(upload_ids)))
        return self._rows("held", chosen, sort=("decided_at", "sequence"))

    def held_uploads(self) -> list[Row]:
        """The uploads that wait for a decision, in order of receipt."""
        chosen = (pl.col("status") == "held") & pl.col("redelivery_of").is_null()
        return self._rows("uploads", chosen, sort=("sequence",))

    def archived(self, upload: Row) -> Archived | None:
        """An upload's bytes; ``None`` where there are none."""
        return open_archived(self._layout, upload)

    def _of_key(self, visit: Visit, months: Iterable[str]) -> pl.Expr:
        chosen = (pl.col("visit_key") == visit.key) & pl.col("visit_month").is_in(
            sorted(set(months))
        )
        bucket = visit.bucket(self._buckets)
        return chosen if bucket is None else chosen & (pl.col("bucket") == bucket)

    def _rows(self, name: str, chosen: pl.Expr, sort: Sequence[str] = ()) -> list[Row]:
        found = self._scan(name).filter(chosen)
        return _dicts(found.sort(sort) if sort else found)

    def _scan(self, name: str) -> pl.LazyFrame:
        rows = self._tables.scan(self._names[name], _EMPTY[name])
        if self._institution is None or name not in _OF_INSTITUTIONS:
            return rows
        return rows.filter(pl.col("institution") == self._institution)


def since(visit: Visit) -> date | None:
    """The first day on which a record of a visit may have been received."""
    month = visit.issued_month
    if month is None or month == "0000-00":
        return None
    return date.fromisoformat(f"{month}-01") - _A_DAY


def _own_part(refills: Sequence[Row], institution: str) -> list[Row]:
    """Of a prescription's refills what one institution may see, nothing if it has no part in it."""
    if not any(institution in (row["institution"], row["by_institution"]) for row in refills):
        return []
    others = dict.fromkeys(("by_institution", "by_treatment_id", "by_record"))
    return [
        {**row}
        | ({} if row["institution"] == institution else {"institution": None})
        | ({} if row["by_institution"] == institution else others)
        for row in refills
    ]


def _dicts(rows: pl.LazyFrame) -> list[Row]:
    found: list[dict[str, Any]] = rows.collect(engine="streaming").to_dicts()
    return [*found]

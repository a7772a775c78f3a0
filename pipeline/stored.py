"""EDGE: a stored upload read back: its row, its findings, its bytes, its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from pipeline.errors import UnknownUploadError
from pipeline.limits import Limits
from pipeline.report.answer import Answer
from pipeline.report.register_stored import StoredRegistration, stored_registration
from pipeline.report.register_words import Received
from pipeline.report.stored import stored_answer
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.store.raw import read_upload
from pipeline.taipei import TAIPEI
from rules import load_plan
from rules.registrations import load_registration_plan
from schemas.tables import REGISTRATION, TABLES

Row = dict[str, Any]
"""A row of a table: value by column."""

_TABLES: Final = ("uploads", "findings")
_EMPTY: Final = {name: pl.DataFrame(TABLES[name].schema.empty_table()).schema for name in _TABLES}


@dataclass(frozen=True)
class Registration:
    """The answer to a stored file of card registrations, and its receipt.

    ``sha256`` is None where its bytes were not kept.
    """

    answer: StoredRegistration
    received: Received
    sha256: str | None
    engine: str


class StoredUploads:
    """The uploads in a store's tables. For any number of threads; changes nothing."""

    def __init__(self, tables: KeptTables, limits: Limits) -> None:
        self._tables = tables
        self._layout = layout_of(tables.store_uri)
        self._limits = limits

    def row(self, upload_id: str) -> Row:
        """An upload's row of ``uploads``. Raises ``UnknownUploadError``."""
        found = self.rows([upload_id])
        if not found:
            raise UnknownUploadError(
                f"沒有這個上傳：{upload_id}", f"There is no such upload: {upload_id}"
            )
        return found[0]

    def first(self, row: Row) -> Row:
        """Of a redelivery the row of the first upload, of any other the same row."""
        return self.row(row["redelivery_of"]) if row["redelivery_of"] else row

    def rows(self, upload_ids: Sequence[str]) -> list[Row]:
        """The rows of those of some uploads that are stored."""
        scanned = self._tables.snapshot("uploads").scan("uploads", _EMPTY["uploads"])
        return _dicts(scanned.filter(_one_of(upload_ids)))

    def findings(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """The findings of some uploads, by upload id."""
        days: dict[str, Any] = {
            row["upload_id"]: row["received_at"].astimezone(TAIPEI).date() for row in rows
        }
        scanned = self._tables.snapshot("findings").scan("findings", _EMPTY["findings"])
        on_days = pl.col("received_date").is_in(sorted(set(days.values())))
        found = defaultdict(list)
        for row in _dicts(scanned.filter(on_days & _one_of(list(days)))):
            found[row["upload_id"]].append(row)
        return found

    def payload(self, row: Row) -> bytes | None:
        """An upload's bytes; ``None`` where nothing could be unpacked, so nothing was kept."""
        try:
            return read_upload(self._layout, bytes.fromhex(row["sha256"]))
        except KeyError:
            return None

    def answer(self, row: Row) -> Answer:
        """The answer to the upload of a row; to a redelivery that of the first upload."""
        row = self.first(row)
        found = self.findings([row])[row["upload_id"]]
        return stored_answer(row, found, self.payload(row), load_plan(), self._limits)

    def answers(self, upload_ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """The answers to those of some uploads that are stored, each with its id."""
        rows = self.rows(upload_ids)
        findings = self.findings(rows)
        for row in rows:
            found = findings[row["upload_id"]]
            yield (
                row["upload_id"],
                stored_answer(row, found, self.payload(row), load_plan(), self._limits),
            )

    def registration(self, row: Row) -> Registration | None:
        """The answer to a stored registration file; ``None`` for an upload of visits."""
        if row["mode"] != REGISTRATION:
            return None
        first = self.first(row)
        findings = self.findings([first])[first["upload_id"]]
        payload = self.payload(first)
        return Registration(
            stored_registration(first, findings, payload, load_registration_plan()),
            Received(row["upload_id"], row["redelivery_of"]),
            None if payload is None else first["sha256"],
            first["engine"],
        )


def _one_of(upload_ids: Sequence[str]) -> pl.Expr:
    """Ids between the smallest and the largest, so that statistics skip files, and among them."""
    column = pl.col("upload_id")
    if not upload_ids:
        return pl.lit(False)
    if len(upload_ids) == 1:
        return column == upload_ids[0]
    between = column.is_between(pl.lit(min(upload_ids)), pl.lit(max(upload_ids)))
    return between & column.is_in(list(upload_ids))


def _dicts(rows: pl.LazyFrame) -> list[Row]:
    found: list[Row] = rows.collect().to_dicts()
    return found

"""Stored uploads as commands ask for them: what isn't there is wrong usage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from pipeline.errors import UnknownUploadError
from pipeline.report.answer import Answer
from pipeline.settings import Settings
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of, read_config
from pipeline.stored import Registration, Row, StoredUploads


def answer_from_store(store_uri: str, upload_id: str, settings: Settings) -> Answer:
    """The answer to a stored upload. Raises ``click.UsageError`` if there is no such upload."""
    stored = _opened(store_uri, settings)
    return stored.answer(_row(stored, upload_id))


def registration_from_store(store_uri: str, upload_id: str) -> Registration | None:
    """The answer to a stored registration file, ``None`` for an upload of visits.

    Raises ``click.UsageError`` if there is no such upload.
    """
    stored = _opened(store_uri, Settings())
    return stored.registration(_row(stored, upload_id))


def answers_from_store(
    store_uri: str, settings: Settings, upload_ids: Sequence[str]
) -> Iterator[tuple[str, Answer]]:
    """The answers to those of some uploads that are stored, each with its id."""
    return _opened(store_uri, settings).answers(upload_ids)


def _opened(store_uri: str, settings: Settings) -> StoredUploads:
    if read_config(layout_of(store_uri)) is None:
        raise click.UsageError(f"沒有這個資料庫 there is no store at {store_uri}")
    return StoredUploads(KeptTables(store_uri), settings.limits)


def _row(stored: StoredUploads, upload_id: str) -> Row:
    try:
        return stored.row(upload_id)
    except UnknownUploadError:
        raise click.UsageError(f"沒有這個上傳 no such upload: {upload_id}") from None

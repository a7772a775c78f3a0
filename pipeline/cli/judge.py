"""Uploads → answers, many small ones at a time and bounded in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import click

from pipeline.core import process_many
from pipeline.outcome import Envelope
from pipeline.parse import FastDeclinedError, ParserChoice
from pipeline.references import References
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.settings import Settings
from pipeline.unpack import Payload
from pipeline.version import ENGINE
from rules.plan import Plan

_BATCH_BYTES = 32 * 1024 * 1024
_BATCH_UPLOADS = 1_000


def judge(
    uploads: Iterable[Payload],
    envelope: Envelope,
    plan: Plan,
    parser: ParserChoice,
    settings: Settings,
    references: References,
) -> Iterator[Answer]:
    """The answers to uploads, in their order."""
    for batch in _batches(uploads):
        try:
            yield from _process(batch, envelope, plan, parser, settings, references)
        except FastDeclinedError:
            raise click.UsageError(
                "這個檔案不能用 --parser fast this document needs --parser auto"
            ) from None


def _batches(uploads: Iterable[Payload]) -> Iterator[list[Payload]]:
    batch: list[Payload] = []
    size = 0
    for upload in uploads:
        batch.append(upload)
        size += len(upload.data)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_UPLOADS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _process(
    batch: list[Payload],
    envelope: Envelope,
    plan: Plan,
    parser: ParserChoice,
    settings: Settings,
    references: References,
) -> Iterator[Answer]:
    readable = [upload for upload in batch if upload.refusal is None]
    envelopes = [replace(envelope, name=upload.name) for upload in readable]
    processed = process_many(
        [upload.data for upload in readable],
        envelopes,
        plan,
        parser,
        utf8=settings.allow_utf8,
        limits=settings.limits,
        references=references,
    )
    place = 0
    for upload in batch:
        if upload.refusal is None:
            yield answer_of(processed, place, upload.sha256.hex(), ENGINE)
            place += 1
        else:
            named = replace(envelope, name=upload.name)
            yield unpacked_answer(upload.sha256.hex(), upload.refusal, plan, named, ENGINE)

"""Uploads → answers, many small ones at a time and bounded in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import click

from pipeline.core import process_many
from pipeline.ingest.unpack import Payload
from pipeline.outcome import Envelope
from pipeline.parse.parse import FastDeclinedError, ParserChoice
from pipeline.parse.recognise import by_version
from pipeline.references import References
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.settings import Settings
from pipeline.version import ENGINE
from rules.plan import Plan
from schemas import V2, Version

Plans = Callable[[Version], Plan]
_BATCH_BYTES = 32 * 1024 * 1024
_BATCH_UPLOADS = 1_000


def judge(
    uploads: Iterable[Payload],
    envelope: Envelope,
    plans: Plans,
    parser: ParserChoice,
    settings: Settings,
    references: References,
) -> Iterator[Answer]:
    """The answers to uploads, in their order, each by the plan of its version of the format."""
    for batch in _batches(uploads):
        try:
            yield from _process(batch, envelope, plans, parser, settings, references)
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
    plans: Plans,
    parser: ParserChoice,
    settings: Settings,
    references: References,
) -> list[Answer]:
    named = [replace(envelope, name=upload.name) for upload in batch]
    answers: dict[int, Answer] = {}
    readable = [place for place, upload in enumerate(batch) if upload.refusal is None]
    for version, chosen in by_version([batch[place].data for place in readable]).items():
        places = [readable[i] for i in chosen]
        processed = process_many(
            [batch[place].data for place in places],
            [named[place] for place in places],
            plans(version),
            parser,
            utf8=settings.allow_utf8,
            limits=settings.limits,
            references=references,
        )
        for i, place in enumerate(places):
            answers[place] = answer_of(processed, i, batch[place].sha256.hex(), ENGINE)
    for place, upload in enumerate(batch):
        if upload.refusal is not None:
            answers[place] = unpacked_answer(
                upload.sha256.hex(), upload.refusal, plans(V2), named[place], ENGINE
            )
    return [answers[place] for place in range(len(batch))]

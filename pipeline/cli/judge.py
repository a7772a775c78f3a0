"""Inputs → answers, many small uploads at a time and bounded in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.cli.inputs import Input, Unpackable
from pipeline.core import ParserChoice, process_many
from pipeline.outcome import Envelope
from pipeline.report.answer import Answer, answer_of, unpacked_answer
from pipeline.version import ENGINE
from rules.plan import Plan

_BATCH_BYTES = 32 * 1024 * 1024
_BATCH_UPLOADS = 1_000


def judge(
    inputs: Iterable[Input | Unpackable], envelope: Envelope, plan: Plan, parser: ParserChoice
) -> Iterator[Answer]:
    """The answers to inputs, in their order."""
    waiting: list[Input] = []
    size = 0
    for given in inputs:
        if isinstance(given, Unpackable):
            yield from _process(waiting, envelope, plan, parser)
            waiting, size = [], 0
            named = replace(envelope, name=given.name)
            yield unpacked_answer(
                given.name, given.sha256, given.size, given.refusal, plan, named, ENGINE
            )
            continue
        waiting.append(given)
        size += len(given.payload)
        if size >= _BATCH_BYTES or len(waiting) >= _BATCH_UPLOADS:
            yield from _process(waiting, envelope, plan, parser)
            waiting, size = [], 0
    yield from _process(waiting, envelope, plan, parser)


def _process(
    inputs: list[Input], envelope: Envelope, plan: Plan, parser: ParserChoice
) -> Iterator[Answer]:
    if not inputs:
        return
    envelopes = [replace(envelope, name=given.name) for given in inputs]
    processed = process_many([given.payload for given in inputs], envelopes, plan, parser)
    for upload in range(len(inputs)):
        yield answer_of(processed, upload, ENGINE)

"""Bytes to findings, on one core: ours with the whole catalogue, beside XML libraries and Python.

Two records in a hundred are faulty. Slow peers read a sample without structural faults.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from bench.bench_parse import LARGE_MB, SMALL_MB
from bench.measure import Job, Prepare
from bench.peer_rules import (
    Place,
    lxml_schema,
    places,
    records_by_iterparse,
    records_by_xmlschema,
    valid_by_lxml,
    xmlschema_schema,
)
from bench.uploads import UploadSet, about
from pipeline.core import Processed, process_many
from pipeline.generate import DEFAULT_AS_OF
from rules import load_plan, load_rules

FAULTS = 0.02
SAMPLE_BYTES = 200_000


@cache
def large() -> UploadSet:
    """What ours judges."""
    return about(LARGE_MB, each=0.1, faults=FAULTS)


@cache
def well_built(megabytes: float) -> UploadSet:
    """Uploads that are neither refused nor have structural faults: any XML library can go on."""
    chosen = about(megabytes, each=0.1, faults=FAULTS)
    done = process_many(chosen.payloads, chosen.envelopes, load_plan())
    faulty = set(done.batch.record_upload[done.batch.faults.record].tolist())
    return chosen.only(
        [i for i, refusal in enumerate(done.refusals) if refusal is None and i not in faulty]
    )


def ours() -> Job:
    """``process_many`` with every rule."""
    chosen, plan = large(), load_plan()
    envelopes = chosen.envelopes
    return Job(lambda: process_many(chosen.payloads, envelopes, plan), chosen.size, chosen.records)


def _each(read: Callable[[bytes], object], chosen: UploadSet) -> Job:
    """Read uploads one by one."""
    return Job(lambda: [read(payload) for payload in chosen.payloads], chosen.size, chosen.records)


def iterparse_alone() -> Job:
    """No rule at all: what reading the records as dictionaries costs."""
    return _each(
        lambda payload: sum(1 for _ in records_by_iterparse(payload)), well_built(SMALL_MB)
    )


def iterparse_and_rules() -> Job:
    """The oracle on records from lxml; it must find what ours finds."""
    chosen, rules = well_built(1.0).sample(SAMPLE_BYTES), load_rules()

    def read(payload: bytes) -> list[Place]:
        return places(records_by_iterparse(payload), rules, DEFAULT_AS_OF)

    assert [read(payload) for payload in chosen.payloads] == _found_by_ours(chosen)
    return _each(read, chosen)


def xsd_by_lxml() -> Job:
    """Structure only, no rule."""
    chosen, schema = well_built(SMALL_MB), lxml_schema()
    assert all(valid_by_lxml(payload, schema) for payload in chosen.payloads)
    return _each(lambda payload: valid_by_lxml(payload, schema), chosen)


def xmlschema_alone() -> Job:
    """Structure only, no rule: validated and decoded."""
    chosen, schema = well_built(1.0).sample(SAMPLE_BYTES), xmlschema_schema()
    return _each(lambda payload: list(records_by_xmlschema(payload, schema)), chosen)


def xmlschema_and_rules() -> Job:
    """The oracle on records from xmlschema."""
    chosen, schema, rules = (
        well_built(1.0).sample(SAMPLE_BYTES), xmlschema_schema(), load_rules()
    )  # fmt: skip

    def read(payload: bytes) -> list[Place]:
        return places(records_by_xmlschema(payload, schema), rules, DEFAULT_AS_OF)

    return _each(read, chosen)


def _found_by_ours(chosen: UploadSet) -> list[list[Place]]:
    plan = load_plan()
    done = process_many(chosen.payloads, chosen.envelopes, plan)
    return [_places_of(done, upload) for upload in range(len(chosen.payloads))]


def _places_of(done: Processed, upload: int) -> list[Place]:
    found, first = done.findings, done.records_of(upload).start
    rows = range(*done.findings_of(upload).indices(len(found)))
    return [
        (
            int(found.record[row]) - first,
            found.names[found.field[row]],
            int(found.order[row]) if found.order[row] >= 0 else None,
            done.plan.rules[found.rule[row]].code,
        )
        for row in rows
    ]


CONTENDERS: dict[str, Prepare] = {
    "ours, whole catalogue": ours,
    "lxml.iterparse, no rules": iterparse_alone,
    "lxml.iterparse + Python rules": iterparse_and_rules,
    "lxml XSD, no rules": xsd_by_lxml,
    "xmlschema, no rules": xmlschema_alone,
    "xmlschema + Python rules": xmlschema_and_rules,
}


@pytest.mark.parametrize("name", CONTENDERS)
def bench_validate(benchmark, name):  # type: ignore[no-untyped-def]
    benchmark.pedantic(CONTENDERS[name]().work, rounds=5, warmup_rounds=1)

"""Uploads of one record each, in one process: together as ``run`` takes them, and one by one."""

from __future__ import annotations

from functools import cache

import pytest

from bench.bench_validate import FAULTS
from bench.measure import Job, Prepare
from bench.uploads import UploadSet, made
from pipeline.core import process, process_many
from rules import load_plan

UPLOADS, ALONE = 6_000, 200
GROUP = 1_000


@cache
def tiny() -> UploadSet:
    """One record an upload."""
    return made(UPLOADS, UPLOADS, FAULTS)


def together() -> Job:
    """``process_many`` on groups."""
    chosen, plan = tiny(), load_plan()
    envelopes = chosen.envelopes

    def work() -> None:
        for start in range(0, UPLOADS, GROUP):
            group = slice(start, start + GROUP)
            process_many(chosen.payloads[group], envelopes[group], plan)

    return Job(work, chosen.size, chosen.records, UPLOADS)


def one_by_one() -> Job:
    """``process`` on each."""
    chosen, plan = tiny().only(list(range(ALONE))), load_plan()
    envelopes = chosen.envelopes

    def work() -> None:
        for payload, envelope in zip(chosen.payloads, envelopes, strict=True):
            process(payload, envelope, plan)

    return Job(work, chosen.size, chosen.records, ALONE)


CONTENDERS: dict[str, Prepare] = {
    f"in groups of {GROUP:,}": together,
    "one by one": one_by_one,
}


@pytest.mark.parametrize("name", CONTENDERS)
def bench_tiny(benchmark, name):  # type: ignore[no-untyped-def]
    benchmark.pedantic(CONTENDERS[name]().work, rounds=5, warmup_rounds=1)

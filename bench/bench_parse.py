"""Bytes to the Arrow tables of visits and orders, on one core: ours, xml2arrow, lxml.iterparse."""

from __future__ import annotations

from functools import cache

import pytest

from bench.measure import Job, Prepare
from bench.peer_tables import (
    ByXml2arrow,
    alike,
    by_iterparse,
    by_ours,
    to_utf8,
)
from bench.uploads import UploadSet, about

LARGE_MB, SMALL_MB = 64.0, 10.0


@cache
def large() -> UploadSet:
    """What ours and xml2arrow parse."""
    return about(LARGE_MB, each=0.1)


@cache
def small() -> UploadSet:
    """What slow peers parse, of the same kind."""
    return about(SMALL_MB, each=0.1)


def ours() -> Job:
    """The fast parser and ``pipeline.parse.arrow``."""
    chosen = large()
    return Job(lambda: by_ours(chosen.payloads), chosen.size, chosen.records)


def xml2arrow_given_utf8() -> Job:
    """xml2arrow on uploads that somebody else has put into UTF-8: its best case."""
    chosen, peer = large(), ByXml2arrow.ready()
    texts = [to_utf8(payload) for payload in chosen.payloads]
    assert alike(by_ours(chosen.payloads), peer(texts))
    return Job(lambda: peer(texts), chosen.size, chosen.records)


def xml2arrow_given_big5() -> Job:
    """xml2arrow on the uploads as they are: put into UTF-8 first, which checks them as well."""
    chosen, peer = large(), ByXml2arrow.ready()
    return Job(lambda: peer(map(to_utf8, chosen.payloads)), chosen.size, chosen.records)


def iterparse() -> Job:
    """lxml.iterparse, lists, pyarrow."""
    chosen = small()
    assert alike(by_ours(chosen.payloads), by_iterparse(chosen.payloads))
    return Job(lambda: by_iterparse(chosen.payloads), chosen.size, chosen.records)


CONTENDERS: dict[str, Prepare] = {
    "ours": ours,
    "xml2arrow, given UTF-8": xml2arrow_given_utf8,
    "xml2arrow": xml2arrow_given_big5,
    "lxml.iterparse": iterparse,
}


@pytest.mark.parametrize("name", CONTENDERS)
def bench_parse(benchmark, name):  # type: ignore[no-untyped-def]
    benchmark.pedantic(CONTENDERS[name]().work, rounds=5, warmup_rounds=1)

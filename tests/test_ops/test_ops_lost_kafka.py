"""A cluster that lost what it had is told, before anything is sent to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from senders import payload_of
from visit_records import CLINIC, PERSON, moment, visit

from pipeline.errors import StoreUnusableError
from pipeline.store.layout import layout_of
from pipeline.stream.broker import Cluster, Sender
from pipeline.stream.objects import Objects
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, publish
from pipeline.stream.recorder import Pace
from pipeline.stream.standing import standing_of
from pipeline.stream.worker import Stop
from tests.kafka.server import Broker, broker

PATIENCE = 120.0


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Broker]:
    started = broker(tmp_path / "kafka")
    yield started
    started.kill()


def test_an_empty_cluster_under_tables_that_are_not(tmp_path: Path, kafka: Broker) -> None:
    uri = str(tmp_path / "store")
    options = Options(Cluster(kafka.bootstrap), uri, prefix="lost-", pace=Pace(0.2))
    stream, layout = open_stream(options), layout_of(uri)
    one = payload_of(visit(CLINIC, PERSON, moment("2025-12-20T09:30:00")))
    assert len(list(publish([one], How(), Objects(layout), Sender(options.cluster), stream))) == 1
    stop = Stop()
    threads = [Thread(target=job, args=(options, stop)) for job in (run_validate, run_merge)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE
    while standing_of(layout, stream).through < 1 and time.monotonic() < until:
        time.sleep(0.2)
    stop.stop()
    for thread in threads:
        thread.join(PATIENCE)
    assert open_stream(options) == stream
    other = broker(tmp_path / "other")
    try:
        if other.bootstrap == kafka.bootstrap:
            pytest.skip("one cluster is named for all tests")
        with pytest.raises(StoreUnusableError, match="lost its data"):
            open_stream(Options(Cluster(other.bootstrap), uri))
    finally:
        other.kill()

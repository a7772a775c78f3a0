"""Uploads through the stream, on a real broker: the tables end as the slow replay's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest
from histories import history
from scenario import Sending

from pipeline.store.layout import layout_of
from pipeline.stream.broker import Cluster, Sender
from pipeline.stream.objects import Objects
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, publish
from pipeline.stream.recorder import Pace
from pipeline.stream.standing import standing_of
from pipeline.stream.worker import Stop
from pipeline.unpack import Payload
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import expected, stored

PATIENCE = 120.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


def send(sent: Sequence[Sending], options: Options) -> None:
    """Publish a history, each upload as received at its moment."""
    stream = open_stream(options)
    objects, sender = Objects(layout_of(options.store_uri)), Sender(options.cluster)
    for (received_at, mode), group in groupby(sent, key=lambda one: (one.received_at, one.mode)):
        payloads = [payload_of(one) for one in group]
        how = How(mode=mode, received_at=received_at)
        assert len(list(publish(payloads, how, objects, sender, stream))) == len(payloads)


def payload_of(one: Sending) -> Payload:
    from hashlib import sha256

    return Payload(one.name, one.payload, sha256(one.payload).digest())


class Running:
    """Workers in threads of this process."""

    def __init__(self, options: Options, jobs: Sequence[Callable[[Options, Stop], None]]) -> None:
        self.stop = Stop()
        self._threads = [
            threading.Thread(target=job, args=(options, self.stop), daemon=True) for job in jobs
        ]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.stop()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def wait_until_recorded(options: Options, through: int) -> None:
    """Until the tables have everything up to a sequence."""
    stream, until = open_stream(options), time.monotonic() + PATIENCE
    while standing_of(layout_of(options.store_uri), stream).through < through:
        assert time.monotonic() < until, "not everything was recorded"
        time.sleep(0.2)


@pytest.mark.parametrize(("seed", "precheck"), [(3, False), (7, True)])
def test_tables_are_those_of_the_replay(
    kafka: Broker, tmp_path: Path, seed: int, precheck: bool
) -> None:
    made = history(seed, 40 if precheck else 60, precheck=precheck)
    cluster = Cluster(kafka.bootstrap, {}, 3_000)
    options = Options(cluster, str(tmp_path / "store"), prefix=f"t{seed}-", pace=Pace(0.5))
    send(made.sent, options)
    with Running(options, [run_validate, run_merge, run_merge]):
        wait_until_recorded(options, len(made.sent))
    of_store, of_replay = stored(tmp_path / "store", precheck), expected(made.replay)
    for name, rows in of_replay.items():
        assert of_store[name] == rows, name

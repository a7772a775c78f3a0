"""A disk that is full under a recorder: nothing moves, it is told, and all goes on once there is
room, in the same process."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash.faults import MISSING, Deed, Fault, build
from histories import history
from stream.house import PATIENCE, Host, House, hosted
from stream.told import assert_as_replayed, assert_told, receipts

from pipeline.store.verify import verify
from tests.kafka.server import Broker, broker

MADE = history(3, 60)
HALF = len(MADE.sent) // 2
WHILE = 2.0
"""Seconds that nothing must move."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if MISSING:
        pytest.skip(MISSING)
    with hosted(build(tmp_path_factory.mktemp("layer"))) as one:
        yield one


@pytest.mark.parametrize("number", [60, 170])
def test_a_full_disk_stops_the_recorder_until_there_is_room(
    kafka: Broker, host: Host, tmp_path: Path, number: int
) -> None:
    """From its change of some number on, in the middle of a commit."""
    with House(kafka, host, tmp_path, f"full{number}-", commit_seconds=0.3) as house:
        house.start("validate")
        merge = house.start("merge", "m", Fault(number, Deed.FAIL_FROM, errno.ENOSPC))
        house.send(MADE.sent[:HALF])
        wait_until_told(house, "Free disk space")
        at = house.recorded
        house.send(MADE.sent[HALF:])
        time.sleep(WHILE)
        assert house.recorded == at
        assert merge.alive
        house.tell(merge, signal.SIGUSR2)
        house.wait_until_recorded(len(MADE.sent))
        assert_as_replayed(house.store, MADE.replay)
        assert_told(house.store, receipts(house.options, house.stream))
        house.assert_no_fault_of_ours()
    assert all(one.ok for one in verify(house.store))


def wait_until_told(house: House, what: str) -> None:
    """Until a worker has said something."""
    until = time.monotonic() + PATIENCE
    while what not in house.log:
        assert time.monotonic() < until, house.log[-4_000:]
        time.sleep(0.2)

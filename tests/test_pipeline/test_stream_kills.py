"""Workers killed, stopped, joined and left, messages repeated, the broker killed: in the end
every table and every receipt is that of the slow replay, and each upload has one of each.

At length (``--long -s``) rounds follow each other until there was enough of everything; after each
a line of JSON says how much there was so far.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from stream.house import Host, House, hosted
from stream.rounds import play

from tests.kafka.server import Broker, broker

ENOUGH = {"uploads": 5_000, "killed": 150, "woken beyond the session": 80, "broker killed": 20}
SHORT_SEED = 11


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted() as one:
        yield one


def test_whatever_happens_it_ends_as_the_replay(
    kafka: Broker, host: Host, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--long"):
        play(House(kafka, host, tmp_path, f"k{SHORT_SEED}-"), SHORT_SEED, (90, 30), 25.0)
        return
    wanted = ENOUGH if kafka.may_restart else ENOUGH | {"broker killed": 0}
    happened, began = Counter[str](), time.monotonic()
    for seed in count(int(time.time())):
        house = House(kafka, host, tmp_path / str(seed), f"k{seed}-")
        happened += play(house, seed, (400, 130), 100.0)
        told = {"seed": seed, "seconds": round(time.monotonic() - began), **happened}
        print(json.dumps(told | {"slowest start of the broker": round(kafka.slowest)}), flush=True)
        if all(happened[what] >= many for what, many in wanted.items()):
            return

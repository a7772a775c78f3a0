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
from random import Random
from threading import Thread

import pytest
from histories import history
from stream.house import PATIENCE, Host, House, hosted, in_turns
from stream.told import assert_as_replayed, assert_told, receipts
from stream.trouble import Trouble

from pipeline.store.verify import verify
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
        _round(House(kafka, host, tmp_path, f"k{SHORT_SEED}-"), SHORT_SEED, long=False)
        return
    wanted = ENOUGH if kafka.may_restart else ENOUGH | {"broker killed": 0}
    happened, began = Counter[str](), time.monotonic()
    for seed in count(int(time.time())):
        happened += _round(House(kafka, host, tmp_path / str(seed), f"k{seed}-"), seed, long=True)
        told = {"seed": seed, "seconds": round(time.monotonic() - began), **happened}
        print(json.dumps(told | {"slowest start of the broker": round(kafka.slowest)}), flush=True)
        if all(happened[what] >= many for what, many in wanted.items()):
            return


def _round(house: House, seed: int, *, long: bool) -> Counter[str]:
    """One history in a house of its own; what happened meanwhile, and how often."""
    sizes, seconds = ((300, 100), 60.0) if long else ((90, 30), 25.0)
    made = [history(seed, sizes[0]), history(seed + 1, sizes[1], precheck=True)]
    sent, random = list(in_turns(*(one.sent for one in made))), Random(seed)
    with house:
        for kind in ("validate", "merge"):
            house.start(kind, house.name())
            house.start(kind)
        sending = Thread(target=_send, args=(house, sent, seconds * 0.8, random), daemon=True)
        sending.start()
        trouble, until = Trouble(house, random), time.monotonic() + seconds
        while time.monotonic() < until:
            trouble.strike()
            time.sleep(random.uniform(0.1, 1.5))
        trouble.calm()
        sending.join(PATIENCE)
        assert not sending.is_alive()
        house.wait_until_recorded(house.intake_end)
        for one in made:
            assert_as_replayed(house.store, one.replay)
        told = receipts(house.options, house.stream)
        assert_told(house.store, told)
        assert len(told) == len(sent)
        house.assert_no_fault_of_ours()
    broken = {one.check.name: one.found.problems for one in verify(house.store) if not one.ok}
    assert not broken
    records = sum(len(one.records) for one in sent)
    return trouble.happened + Counter(rounds=1, uploads=len(sent), records=records)


def _send(house: House, sent: list[object], seconds: float, random: Random) -> None:
    """Publish over some time, in lots of any size."""
    began, at = time.monotonic(), 0
    while at < len(sent):
        size = random.choice((1, 1, 3, 10, 30, len(sent) // 20 + 1))
        house.send(sent[at : at + size])  # type: ignore[arg-type]
        at += size
        due = began + seconds * at / len(sent)
        time.sleep(max(0.0, due - time.monotonic()))

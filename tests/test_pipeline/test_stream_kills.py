"""Workers killed, stopped, joined and left, messages repeated, the broker restarted: in the end
every table and every receipt is that of the slow replay, and each upload has one of each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from histories import history
from stream.house import Host, House, hosted, in_turns
from stream.told import assert_as_replayed, assert_told, receipts
from stream.trouble import Trouble

from tests.kafka.server import Broker, broker


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
    long = bool(pytestconfig.getoption("--long"))
    seed, seconds = (int(time.time()), 600.0) if long else (11, 25.0)
    uploads = (3_000, 700) if long else (90, 30)
    made = [history(seed, uploads[0]), history(seed + 1, uploads[1], precheck=True)]
    sent = list(in_turns(*(one.sent for one in made)))
    random = Random(seed)
    with House(kafka, host, tmp_path, f"k{seed}-") as house:
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
        sending.join(120)
        assert not sending.is_alive()
        house.wait_until_recorded(house.intake_end)
        for one in made:
            assert_as_replayed(house.store, one.replay)
        told = receipts(house.options, house.stream)
        assert_told(house.store, told)
        assert len(told) == len(sent)
        house.assert_no_fault_of_ours()
    print(f"seed {seed}: {len(sent)} uploads, {dict(trouble.happened)}")


def _send(house: House, sent: list[object], seconds: float, random: Random) -> None:
    """Publish over some time, in lots of any size."""
    began, at = time.monotonic(), 0
    while at < len(sent):
        size = random.choice((1, 1, 3, 10, 30, len(sent) // 20 + 1))
        house.send(sent[at : at + size])  # type: ignore[arg-type]
        at += size
        due = began + seconds * at / len(sent)
        time.sleep(max(0.0, due - time.monotonic()))

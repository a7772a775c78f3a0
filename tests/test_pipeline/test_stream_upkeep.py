"""The recorder keeps the tables in shape: work goes on meanwhile, and it may be killed in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import time as time_of_day
from itertools import chain, repeat
from pathlib import Path

import pytest
from histories import history
from stream.house import Host, House, hosted
from stream.threads import Running, recorded, send, wait_until, wait_until_recorded
from stream.told import assert_as_replayed

from pipeline.store.layout import layout_of
from pipeline.store.store import Store
from pipeline.store.verify import verify
from pipeline.stream import recorder
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.stream.status import status_of
from pipeline.taipei import TAIPEI
from tests.kafka.server import Broker, broker

UPKEEP_BEGINS, UPKEEP_ENDED = "upkeep begins", "files fewer"
DELAYS = (0.0, 0.15, 0.4, 0.8)  # seconds in it until SIGKILL
MOST_STARTS = 12


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted() as one:
        yield one


def soon(seconds: float) -> time_of_day:
    """What Taipei's clock shows in a while."""
    return (datetime.now(TAIPEI) + timedelta(seconds=seconds)).time()


class Delayed:
    """Upkeep that is due soon, once; that begins, and goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        due = chain([1.0], repeat(1e6))
        monkeypatch.setattr(recorder, "seconds_until", lambda *_: next(due))
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.came_to: tuple[int, int] | None = None
        keep_in_shape = Store.keep_in_shape

        def later(store: Store) -> tuple[int, int]:
            self.begun.set()
            assert self.go_on.wait(300.0)
            self.came_to = keep_in_shape(store)
            return self.came_to

        monkeypatch.setattr(Store, "keep_in_shape", later)


def test_work_goes_on_meanwhile(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(
        Cluster(kafka.bootstrap), str(tmp_path / "store"), prefix="upkeep-", pace=Pace(0.2)
    )
    made, stream, layout = history(3, 60), open_stream(options), layout_of(options.store_uri)
    lots = [made.sent[at : at + 4] for at in range(0, len(made.sent) // 2, 4)]
    with Running(options, [run_validate, run_merge]):
        for lot in lots:  # a commit each
            before = recorded(options)
            send(lot, options)
            wait_until_recorded(options, before + len(lot))
    taken, upkeep = recorded(options), Delayed(monkeypatch)
    due = replace(options, pace=Pace(0.2, upkeep=time_of_day(3)))
    with Running(due, [run_validate, run_merge]):
        assert upkeep.begun.wait(300.0)
        send(made.sent[taken:], options)

        def through(stage: str) -> int:
            return status_of(options.cluster, stream, layout, 0.0).through[stage]

        wait_until(lambda: through("merged") == len(made.sent), "the others don't work")
        status = status_of(options.cluster, stream, layout, 0.0)
        assert (status.through["recorded"], status.nobody) == (taken, [])
        upkeep.go_on.set()
        wait_until_recorded(options, len(made.sent))
    assert upkeep.came_to is not None
    assert upkeep.came_to[0] > 0  # files were joined
    assert_as_replayed(Path(options.store_uri), made.replay)
    assert all(one.ok for one in verify(Path(options.store_uri)))


def test_a_recorder_killed_in_it(kafka: Broker, host: Host, tmp_path: Path) -> None:
    """SIGKILL at several moments of the upkeep; whoever leads next goes on."""
    made = history(7, 60)
    half = len(made.sent) // 2
    delays, ended = list(DELAYS), False
    with House(kafka, host, tmp_path, "killed-", commit_seconds=0.2) as house:
        validate = house.start("validate")
        for at in range(half):  # a commit each, or nearly so
            house.send(made.sent[at : at + 1])
            time.sleep(0.1)
        left = iter(range(half, len(made.sent), 4))
        for _ in range(MOST_STARTS):
            begun = house.log.count(UPKEEP_BEGINS)
            house.upkeep = soon(6).isoformat()
            merge = house.start("merge", "m")
            if _waited(lambda begun=begun: house.log.count(UPKEEP_BEGINS) > begun, 20.0):
                if delays:
                    time.sleep(delays.pop(0))
                else:
                    ended = _waited(lambda: UPKEEP_ENDED in house.log, 240.0)
            house.end(merge)
            house.ended(merge)
            at = next(left, len(made.sent))
            house.send(made.sent[at : at + 4])
            if ended:
                break
        assert ended, "the upkeep was not come to, or did not end"
        house.send(made.sent[next(left, len(made.sent)) :])
        house.upkeep = ""
        merge = house.start("merge", "m")
        house.wait_until_recorded(house.published)
        house.end(merge)
        house.end(validate)
        assert house.published == len(made.sent)
        assert_as_replayed(house.store, made.replay)
        assert all(one.ok for one in verify(house.store))
        house.assert_no_fault_of_ours()


def _waited(what: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False

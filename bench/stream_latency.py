"""How long an upload waits for its receipt on the topic, at a steady rate and after a burst."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from statistics import quantiles

from bench.stream_rig import Receipts, Rig
from pipeline.ingest.unpack import Payload

_SENDERS = 16


@dataclass(frozen=True)
class Waited:
    """Uploads that came at a rate (a second), and the seconds each waited, in order of coming.

    ``rate`` 0: all at once. Counted from the moment an upload was due, not from when its sender
    found time for it.
    """

    rate: float
    seconds: tuple[float, ...]

    def at(self, percent: int) -> float:
        """A percentile in seconds."""
        return quantiles(self.seconds, n=100, method="inclusive")[percent - 1]


def at_rate(
    rig: Rig, receipts: Receipts, payloads: Sequence[Payload], rate: float, seed: int = 1
) -> Waited:
    """Uploads at random moments, ``rate`` a second on average."""
    random, due, moments = Random(seed), time.monotonic(), list[float]()
    for _ in payloads:
        due += random.expovariate(rate)
        moments.append(due)
    with ThreadPoolExecutor(_SENDERS) as pool:
        ids = list(pool.map(lambda pair: _sent(rig, *pair), zip(moments, payloads, strict=True)))
    receipts.wait(ids)
    return Waited(rate, tuple(receipts.came[one] - m for one, m in zip(ids, moments, strict=True)))


def at_once(rig: Rig, receipts: Receipts, payloads: Sequence[Payload]) -> Waited:
    """All uploads together, as fast as they can be sent."""
    began = time.monotonic()
    ids = rig.publish(payloads)
    receipts.wait(ids)
    return Waited(0, tuple(receipts.came[one] - began for one in ids))


def _sent(rig: Rig, due: float, payload: Payload) -> str:
    time.sleep(max(0.0, due - time.monotonic()))
    return rig.publish([payload])[0]


def phases(
    rig: Rig, tens: Iterator[Payload], ones: Iterator[Payload], mean: float, seconds: float
) -> Iterator[tuple[str, Waited]]:
    """The day of a nation: its mean, its evening, every visit alone, a burst and what follows.

    ``mean``: uploads of ten records a second; ``seconds``: of the evening, others are shorter.
    """
    receipts = Receipts(rig)
    receipts.start()
    with rig.working("validate", "merge"):
        at_rate(rig, receipts, _take(tens, 20), 2.0)  # until all have joined
        for name, coming, rate, part in (
            ("the mean", tens, mean, 0.5), ("the evening, 10 × the mean", tens, 10 * mean, 1.0),
            ("the evening, each visit an upload", ones, 100 * mean, 0.25),
        ):  # fmt: skip
            payloads = _take(coming, round(rate * seconds * part))
            yield name, at_rate(rig, receipts, payloads, rate)
        burst = _take(tens, round(burst_of(mean)))
        yield "all at once", at_once(rig, receipts, burst)
        after = _take(tens, round(10 * mean * seconds * 0.25))
        yield "the evening, right after that", at_rate(rig, receipts, after, 10 * mean)
    receipts.close()


def burst_of(mean: float) -> float:
    """Uploads of a burst: three minutes of an evening at once."""
    return 10 * mean * 180


def _take(coming: Iterator[Payload], count: int) -> list[Payload]:
    return [next(coming) for _ in range(count)]

"""Records made to be slow to merge cost about what others do."""

from __future__ import annotations

import time
from hashlib import blake2b

import numpy as np

from pipeline.columns import Int32
from pipeline.kernels import table
from pipeline.kernels.merge_faults import COUNTS, DELETE, RECORD
from pipeline.merge.keys import UInt64, pack_text
from pipeline.merge.merge import Merged, MergePolicy, Severities, Work, merge
from pipeline.merge.recall import recall
from pipeline.merge.remember import remember
from pipeline.merge.state import MemoryState
from pipeline.merge.state_items import VISIT, Items

COUNT = 30_000
SOME_DAY = 19_000
SLOWER_AT_MOST = 5  # walking the second takes 400 times as long, the known seed 10 times


def visits(high: UInt64, low: UInt64) -> Items:
    """Visits of one institution under these keys."""
    made = np.zeros(len(high), VISIT)
    made["high"], made["low"] = high, low | np.uint64(1 << 59)
    made["owner"], made["flags"], made["day"] = pack_text("1199010011"), COUNTS, SOME_DAY
    made["sequence"], made["record"] = 1, np.arange(len(high)) + 1
    return made


def merged(made: Items) -> Merged:
    """What comes of them, all in one upload."""
    normal, no_original = np.ones(len(made), np.uint8), np.zeros((len(made), 2), np.uint64)
    known, places = recall(MemoryState(), made, normal, no_original)
    records = np.zeros(len(made), RECORD)
    for name in ("entry", "original", "own", "source"):
        records[name] = getattr(places, name)
    records["normal"] = 1
    work = Work(records, made, np.zeros(len(made), np.int32))
    return merge(known, work, MergePolicy(), Severities(rejecting=0))


def seconds(made: Items) -> float:
    """Processor time of the quicker of two merges; all of the visits are taken."""
    took = []
    for _ in range(2):
        start = time.process_time()
        assert merged(made).done.all()
        took.append(time.process_time() - start)
    return min(took)


def apart() -> Items:
    """A visit a second."""
    number = np.arange(COUNT, dtype=np.uint64)
    return visits(number << np.uint64(33), number)


def test_one_person_at_one_second() -> None:
    second = np.full(COUNT, 1_000_000 << 33, np.uint64)
    crowded = visits(second, np.arange(COUNT, dtype=np.uint64))
    assert seconds(crowded) < SLOWER_AT_MOST * seconds(apart())


def test_keys_that_would_collide_under_a_known_seed() -> None:
    random, found = np.random.default_rng(1), list[UInt64]()
    seed = np.frombuffer(blake2b(b"", digest_size=8).digest(), np.uint64)[0]
    while sum(map(len, found)) < COUNT:
        high = random.integers(0, 1 << 62, 200_000).astype(np.uint64)
        slot = _hashed(high, seed) & np.uint64((1 << 16) - 1)
        found.append(high[slot < 1 << 10])
    crafted = np.concatenate(found)[:COUNT]
    assert seconds(visits(crafted, np.zeros(COUNT, np.uint64))) < SLOWER_AT_MOST * seconds(apart())


def _hashed(high: UInt64, seed: np.uint64) -> UInt64:
    """What the table makes of moments whose low half is 0."""
    return np.array([table._scatter(one, np.uint64(0), seed) for one in high], np.uint64)


def test_many_uploads_that_delete_enough_to_be_looked_at() -> None:
    of_each = MergePolicy().held_above + 1
    number = np.arange(2_000 * of_each, dtype=np.uint64)
    made = visits(number << np.uint64(33), number)
    in_many = _deleting(made, (number // of_each).astype(np.int32))
    assert in_many < 20 * _deleting(made, np.zeros(len(made), np.int32))


def _deleting(made: Items, upload: Int32) -> float:
    """Processor time of deleting live visits, none of them held."""
    state, records = MemoryState(), np.zeros(len(made), RECORD)
    normal, no_original = np.ones(len(made), np.uint8), np.zeros((len(made), 2), np.uint64)
    state.put(*remember(recall(state, made, normal, no_original)[0], merged(made)))
    known, places = recall(state, made, normal, no_original)
    for name in ("entry", "original", "own", "source"):
        records[name] = getattr(places, name)
    records["normal"], records["action"] = 1, DELETE
    work = Work(records, made, upload)
    start = time.process_time()
    after = merge(known, work, MergePolicy(), Severities(0), lambda *_: 10**9)
    took = time.process_time() - start
    assert after.done.all()
    assert not after.held
    return took

"""One history through a stream in which much happens, told against the slow replay."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from threading import Thread

from histories import history
from scenario import Sending

from pipeline.store.opening import open_tables
from pipeline.store.verify import verify
from stream.house import PATIENCE, House, in_turns
from stream.told import assert_as_replayed, assert_told, receipts
from stream.trouble import Trouble

_HOLD_SECONDS = 2.0


def play(house: House, seed: int, sizes: tuple[int, int], seconds: float) -> Counter[str]:
    """A history of so many official uploads and pre-checks in a house of its own, in trouble for
    some seconds. Gives what happened meanwhile, and how often."""
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
        house.wait_until_recorded(house.last_upload)
        house.fetch()
        for one in made:
            assert_as_replayed(house.store, one.replay)
        told = receipts(house.options, house.stream)
        assert_told(house.store, told)
        assert len(told) == len(sent)
        house.assert_no_fault_of_ours()
    uri = house.options.store_uri
    with open_tables(uri, recording=True, wait_seconds=_HOLD_SECONDS):
        pass  # what the last commit left undone, when its worker was killed, is done now
    broken = {one.check.name: one.found.problems for one in verify(uri) if not one.ok}
    assert not broken
    records = sum(len(one.records) for one in sent)
    return trouble.happened + Counter(rounds=1, uploads=len(sent), records=records)


def _send(house: House, sent: Sequence[Sending], seconds: float, random: Random) -> None:
    """Publish over some time, in lots of any size."""
    began, at = time.monotonic(), 0
    while at < len(sent):
        size = random.choice((1, 1, 3, 10, 30, len(sent) // 20 + 1))
        house.send(sent[at : at + size])
        at += size
        due = began + seconds * at / len(sent)
        time.sleep(max(0.0, due - time.monotonic()))

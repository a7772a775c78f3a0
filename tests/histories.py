"""Random histories of uploads from a seed: few persons at several institutions, so that all that
docs/MERGE.md speaks of happens often. Made together with their slow replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from random import Random

from history_moves import DAY, HOUR, MOVES, World, moment_of_visit
from scenario import Sending
from visit_records import (
    HOSPITAL,
    INSTITUTIONS,
    SPECIAL,
    TAIPEI,
    TYPHOON,
    Record,
    moment,
    visit,
)

from pipeline.generate.ids import person_id
from tests.oracle.replay import Replay
from tests.oracle.visit import identifies


@dataclass(frozen=True)
class Era:
    """When a history plays: visits from ``start`` on, uploads in sittings."""

    start: str
    special_code: str
    special_until: str
    sittings: tuple[str, ...]


ERAS = (
    Era(
        "2024-08-10T08:00:00", SPECIAL, "2024-09-01T00:00:00",
        ("2024-08-25T21:00:00", "2024-08-31T23:59:59", "2024-09-20T21:00:00",
         "2024-09-30T23:59:59", "2024-10-01T00:00:00", "2024-11-05T21:00:00"),
    ),
    Era(
        "2025-12-05T08:00:00", TYPHOON, "2025-12-22T00:00:00",
        ("2025-12-15T21:00:00", "2025-12-31T23:59:58", "2026-01-10T21:00:00",
         "2026-01-31T23:59:59", "2026-02-01T00:00:00", "2026-03-05T21:00:00"),
    ),
)  # fmt: skip
PERSONS = (("A", "1"), ("F", "2"), ("O", "1"), ("A", "8"), ("K", "2"))


@dataclass(frozen=True)
class History:
    """Uploads in the order of receipt, and what they come to."""

    sent: tuple[Sending, ...]
    replay: Replay


@lru_cache(maxsize=64)
def history(seed: int, uploads: int = 60, precheck: bool = False) -> History:
    """The random history of a seed: about four records an upload."""
    r = Random(seed)
    era = ERAS[seed % len(ERAS)]
    persons = [person_id(a, b, r.randrange(10**7)) for a, b in PERSONS[: r.choice((2, 3, 5))]]
    replay = Replay(precheck)
    now = _received(era.sittings[0])
    world = World(
        r, replay, persons, moment(era.start), era.special_code, moment(era.special_until), now
    )
    crowd = list(_crowd(world, r.randrange(45, 80)))
    sent: list[Sending] = []
    for number in range(uploads):
        sitting = number * len(era.sittings) // uploads
        world.now = _received(era.sittings[sitting])
        records = _bulk(world, crowd, number, uploads) or list(_some(world))
        if records:
            name, mode = f"{number:04}.xml", world.mode
            one = Sending(name, tuple(records), world.now, mode)
            sent.append(one)
            replay.take(name, one.payload, one.envelope)
    return History(tuple(sent), replay)


def _received(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TAIPEI)


def _some(world: World) -> Iterator[Record]:
    """The records of one upload."""
    r = world.random
    institution = r.choice((*INSTITUTIONS, *INSTITUTIONS[:3]))
    for _ in range(r.choice((1, 1, 2, 3, 5, 9, 14))):
        (move,) = r.choices(list(MOVES), list(MOVES.values()))
        record = move(world, institution)
        if record is None or record.institution != institution:
            continue
        if record.fields["H01"] in "AB":
            world.sent.append(record)
            if identifies(record.id):
                world.spots[record.id] = record.fields["M03"], moment_of_visit(record)
        yield record


def _crowd(world: World, count: int) -> Iterator[Record]:
    """Visits of many persons at the hospital on one day."""
    for n in range(count):
        yield visit(HOSPITAL, person_id("Z", "1", n), world.start + DAY + n % 7 * HOUR)


def _bulk(world: World, crowd: list[Record], number: int, uploads: int) -> list[Record]:
    """The crowd's visits, early; and twice an upload that deletes many of them."""
    r = world.random
    if number == uploads // 10:
        return crowd
    if number in (uploads // 3, uploads * 2 // 3):
        most = len(crowd)
        count = r.choice((20, 21, most // 3, most // 2, most * 2 // 3, most))
        return [one.as_format("D") for one in r.sample(crowd, count)]
    return []

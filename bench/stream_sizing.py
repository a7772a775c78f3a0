"""From measured CPU seconds to what a nation needs: the tables of ``docs/SIZING.md``.

What a role takes is reckoned as so much an upload and so much a GB, from two loads: uploads of one
record each, and a country's sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "SIZING.md"
DAY_BYTES, DAY_SECONDS, PEAK = 3e9, 86_400, 10
BUSY = 0.5  # of a core that a process may be busy in the evening, so that it makes up for a loss
LEAST = 2  # processes, so that one may go
DAYS = (
    ("a country's sizes", 30_000), ("ten records each", 130_000), ("each visit alone", 1_300_000),
)  # fmt: skip
_SHOWN_BYTES = 5e6
PROCESSES = {"validate": ("dispatch", "validate"), "merge": ("merge", "record")}


@dataclass(frozen=True)
class Measured:
    """What a load took: seconds of CPU by role, and bytes on disk by where."""

    uploads: int
    size: int
    seconds: Mapping[str, float]
    disk: Mapping[str, int]


@dataclass(frozen=True)
class Price:
    """Seconds (or bytes) an upload, and a byte of it."""

    upload: float
    byte: float

    def of(self, uploads: int, size: float = DAY_BYTES) -> float:
        """What so many uploads of so many bytes take."""
        return self.upload * uploads + self.byte * size


def price(single: Measured, mixed: Measured, of_single: float, of_mixed: float) -> Price:
    """The two unknowns of two loads; what comes out below nothing is nothing."""
    across = single.uploads * mixed.size - mixed.uploads * single.size
    upload = (of_single * mixed.size - of_mixed * single.size) / across
    if upload < 0:
        return Price(0, of_mixed / mixed.size)
    byte = (of_mixed - upload * mixed.uploads) / mixed.size
    return Price(upload, byte) if byte >= 0 else Price(of_single / single.uploads, 0)


def sizing(single: Measured, mixed: Measured) -> Iterator[str]:
    """The tables, from the loads of one record each and of a country's sizes."""
    prices = {
        role: price(single, mixed, seconds, mixed.seconds[role])
        for role, seconds in single.seconds.items()
    }
    yield (
        f"From {single.uploads:,} uploads of one record each and {mixed.uploads:,} of a country's "
        "sizes; bench/README.md tells the load of the machine then.\n"
    )
    yield "| role | CPU ms an upload | CPU s a GB |\n|---|--:|--:|"
    for role, one in prices.items():
        yield f"| {role} | {1000 * one.upload:.2f} | {1e9 * one.byte:.1f} |"
    yield ""
    yield from _days(prices)
    places = {
        where: price(single, mixed, size, mixed.disk[where])
        for where, size in single.disk.items()
        if where in mixed.disk
    }
    yield from _disks(places)


def _days(prices: Mapping[str, Price]) -> Iterator[str]:
    names = [name for name, _ in DAYS]
    yield from _head("seconds of CPU of a day, 3 GB", names)
    for role, one in prices.items():
        yield _row(role, [f"{one.of(uploads):,.0f}" for _, uploads in DAYS])
    yield ""
    yield from _head(f"in the evening ({PEAK} × the mean)", names)
    yield _row("uploads a second", [f"{PEAK * n / DAY_SECONDS:.1f}" for _, n in DAYS])
    for kind, roles in PROCESSES.items():
        cores = [
            PEAK * sum(prices[role].of(uploads) for role in roles) / DAY_SECONDS
            for _, uploads in DAYS
        ]
        yield _row(f"cores busy with {kind}", [f"{one:.3f}" for one in cores])
        counts = [max(LEAST, ceil(one / BUSY)) for one in cores]
        yield _row(f"**processes of {kind}**", [f"**{one}**" for one in counts])
    cores = [PEAK * prices["broker"].of(uploads) / DAY_SECONDS for _, uploads in DAYS]
    yield _row("cores busy with Kafka", [f"{one:.3f}" for one in cores])
    yield ""


def _disks(places: Mapping[str, Price]) -> Iterator[str]:
    yield from _head("GB a day, uncopied", [name for name, _ in DAYS])
    for where, one in places.items():
        if one.of(DAYS[-1][1]) < _SHOWN_BYTES:
            continue
        figures = [f"{one.of(uploads) / 1e9:.2f}" for _, uploads in DAYS]
        yield _row(where, figures)
    yield ""


def _head(what: str, names: Sequence[str]) -> Iterator[str]:
    yield _row(what, names)
    yield "|---|" + "--:|" * len(names)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"

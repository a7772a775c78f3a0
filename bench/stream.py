"""The stream on a real Kafka, as Markdown: what a role costs, how fast all are, how long one waits.

    python -m bench.stream [--write] [--part PART]... [--small]

Some six minutes on two quiet cores. ``--write`` puts the tables into ``bench/README.md``, and what
follows for a nation into ``docs/SIZING.md``; ``--small`` takes a tenth, to see that it goes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.bench_run import FAULTS, NATION_RECORDS, part_of_the_nation, run_apart
from bench.kafka import Broker, broker
from bench.stream_cost import ROLES, Load, archiving, bare, on_disk, together
from bench.stream_latency import Waited, phases
from bench.stream_rig import Rig, payload_of
from bench.stream_sizing import PAGE, Measured, sizing
from bench.table import write
from bench.ten_records import TEN, tens
from bench.uploads import UploadSet, made
from pipeline.generate import DEFAULT_AS_OF
from pipeline.ingest.unpack import Payload

START, STOP = "<!-- stream -->", "<!-- end of stream -->"
MEAN = NATION_RECORDS / TEN / 86_400  # uploads of ten records a second
GROWTH = ((1, 4), (1, 8), (1, 16), (2, 8), (4, 8))
WARMING = 60  # uploads before it counts
_SEEDS = iter(range(100, 10_000))


@dataclass(frozen=True)
class Place:
    """Where it is measured, and how much: ``scale`` 1 is the whole."""

    kafka: Broker
    folder: Path
    scale: float
    priced: dict[str, Measured] = field(default_factory=dict)

    def rig(self, name: str, partitions: int = 8, commit_seconds: float = 5.0) -> Rig:
        """A new stream into a new store."""
        sample = self.folder / "sample.xml"
        if not sample.exists():
            sample.write_bytes(self.tens(1)[0].data)
        return Rig(
            self.kafka, self.folder / name, f"{name}-", sample, ways=partitions,
            partitions=partitions, commit_seconds=commit_seconds,
        )  # fmt: skip

    def tens(self, count: int) -> list[Payload]:
        """New uploads of ten records."""
        seed = next(_SEEDS)
        coming = tens(count, seed, DEFAULT_AS_OF, self.folder / f"made-{seed}")
        return [payload_of(f"{seed}-{n}.xml", one.payload) for n, one in enumerate(coming[:count])]

    @cached_property
    def small(self) -> Load:
        """Uploads of ten records each."""
        uploads = self.tens(round(3_000 * self.scale))
        size = sum(len(one.data) for one in uploads)
        return Load("ten records each", uploads, size, TEN * len(uploads))

    @cached_property
    def single(self) -> Load:
        """Uploads of one record each, as emergencies are."""
        records = round(3_000 * self.scale)
        return _load("one record each", made(records, records, FAULTS))

    @cached_property
    def mixed_set(self) -> UploadSet:
        """Uploads of all sizes, as the generated country sends them."""
        return part_of_the_nation(round(54_000 * self.scale))

    @cached_property
    def mixed(self) -> Load:
        """The same, to be published."""
        return _load("a country's sizes", self.mixed_set)


def _load(name: str, chosen: UploadSet) -> Load:
    uploads = [
        payload_of(p.name, data) for p, data in zip(chosen.paths, chosen.payloads, strict=True)
    ]
    return Load(name, uploads, chosen.size, chosen.records)


def limits(place: Place) -> Iterator[str]:
    """What Kafka itself does here."""
    measured = bare(place.kafka, place.small)
    waited = Waited(0, measured.latencies)
    yield "### Kafka alone\n"
    yield (
        f"Messages of {place.small.size / len(place.small.uploads) / 1000:.0f} kB to having them: "
        f"{1000 * waited.at(50):.1f} ms at the median, {1000 * waited.at(99):.1f} ms at the 99th "
        f"percentile, one after the other; {measured.megabytes_second:.0f} MB/s, many together.\n"
    )


def costs(place: Place) -> Iterator[str]:
    """CPU by role, each in a process of its own."""
    yield "### CPU by role\n"
    yield "Each role in a process of its own, all at once; seconds of CPU.\n"
    yield "| uploads | role | per 1,000 uploads | per GB | peak MiB |\n|---|---|--:|--:|--:|"
    disks = list[str]()
    place.priced.clear()
    for name, load in (("one", place.single), ("ten", place.small), ("mixed", place.mixed)):
        rig, each = place.rig(f"roles-{name}"), len(load.uploads) / 1000
        archived = archiving(rig, load)
        rate = together(rig, load, place.tens(WARMING), ROLES, alone=True)
        for cost in (archived, *rate.costs):
            peak = f"{cost.peak / 2**20:,.0f}" if cost.peak else ""
            yield (
                f"| {load.name} | {cost.role} | {cost.cpu / each:.2f} "
                f"| {cost.cpu / load.size * 1e9:.1f} | {peak} |"
            )
        disk = on_disk(rig)
        disks += [
            f"| {load.name} | {what} | {size / load.size:.3f} | {size / each / 1e6:.2f} |"
            for what, size in disk.items()
            if size / load.size >= 0.0005
        ]
        seconds = {cost.role: cost.cpu for cost in (archived, *rate.costs)}
        place.priced[name] = Measured(len(load.uploads), load.size, seconds, disk)
    yield "\n### bytes on disk\n"
    yield "| uploads | where | × the bytes of the uploads | MB per 1,000 |\n|---|---|--:|--:|"
    yield from disks
    yield ""


def rates(place: Place) -> Iterator[str]:
    """All roles in two processes, beside ``run``."""
    yield "### all together, one process each of validate and merge\n"
    yield (
        "| uploads | uploads/s | records/s | MB/s | CPU s per 1,000 | the broker's | `run`: MB/s "
        "| CPU s per 1,000 |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, load, folder in (
        ("ten", place.small, _files(place)), ("mixed", place.mixed, place.mixed_set)
    ):  # fmt: skip
        rig, each = place.rig(f"all-{name}"), len(load.uploads) / 1000
        archiving(rig, load)
        rate = together(rig, load, place.tens(WARMING), ("validate", "merge"))
        ran, part = run_apart(folder, 2), rate.uploads_second / len(load.uploads)
        yield (
            f"| {load.name} | {rate.uploads_second:,.0f} | {part * load.records:,.0f} "
            f"| {part * load.size / 1e6:.1f} | {rate.cpu / each:.2f} | {rate.broker / each:.2f} "
            f"| {ran.size / ran.wall / 1e6:.1f} | {ran.cpu / each:.2f} |"
        )
    yield ""


def _files(place: Place) -> UploadSet:
    folder = place.folder / "small"
    folder.mkdir()
    for one in place.small.uploads:
        (folder / one.name).write_bytes(one.data)
    return UploadSet(tuple(sorted(folder.glob("*.xml"))), place.small.records)


def waits(place: Place) -> Iterator[str]:
    """From publishing to the receipt."""
    yield "### from publishing to the receipt\n"
    yield (
        f"The nation's mean is {MEAN:.2f} uploads of ten records a second. One process each of "
        "validate and merge; a commit every 15 s.\n"
    )
    yield "| | uploads | a second | ms, median | 99th | longest |\n|---|--:|--:|--:|--:|--:|"
    seconds = 45 * place.scale
    many = place.tens(round(MEAN * 10 * (180 + 2 * seconds)) + 100)
    single = _load("one", made(*[round(MEAN * 100 * seconds / 4) + 10] * 2, FAULTS))
    for name, waited in phases(
        place.rig("waits", commit_seconds=15), iter(many), iter(single.uploads), MEAN, seconds
    ):
        rate = f"{waited.rate:.1f}" if waited.rate else "at once"
        figures = (waited.at(50), waited.at(99), max(waited.seconds))
        told = " | ".join(f"{1000 * one:,.0f}" for one in figures)
        yield f"| {name} | {len(waited.seconds):,} | {rate} | {told} |"
    yield ""


def growth(place: Place) -> Iterator[str]:
    """More processes and more partitions, on the same two cores."""
    yield "### more processes, more partitions\n"
    yield f"On the same {os.cpu_count()} cores as the broker: this tells what more of them cost.\n"
    yield "| processes of each kind | partitions | uploads/s | CPU s per 1,000 | the broker's |"
    yield "|--:|--:|--:|--:|--:|"
    part = place.small.uploads[: round(1_500 * place.scale)]
    load = Load("part", part, sum(len(one.data) for one in part), TEN * len(part))
    for workers, partitions in GROWTH:
        rig = place.rig(f"grow-{workers}-{partitions}", partitions)
        archiving(rig, load)
        jobs = [*["validate"] * workers, *["merge"] * workers]
        rate, each = together(rig, load, place.tens(WARMING), jobs), len(load.uploads) / 1000
        yield (
            f"| {workers} | {partitions} | {rate.uploads_second:,.0f} | {rate.cpu / each:.2f} "
            f"| {rate.broker / each:.2f} |"
        )
    yield ""


PARTS: dict[str, Callable[[Place], Iterator[str]]] = {
    "limits": limits, "costs": costs, "rates": rates, "waits": waits, "growth": growth,
}  # fmt: skip


def measured(place: Place, parts: list[str]) -> Iterator[str]:
    """Lines of Markdown, as they become known."""
    kind = "Apache Kafka" if place.kafka.lasting else "an in-memory broker"
    busy = os.getloadavg()[0]
    yield f"{kind} on the same {os.cpu_count()} cores; load when it began: {busy:.1f}.\n"
    for part in parts:
        yield from PARTS[part](place)


def main() -> None:
    """Measure, print, and write if told."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--part", action="append", choices=list(PARTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nhi-upload-stream-") as scratch:
        kafka = broker(Path(scratch, "kafka"))
        try:
            place = Place(kafka, Path(scratch), 0.1 if given.small else 1.0)
            told = _printed(measured(place, given.part or list(PARTS)))
            sized = place.priced and _printed(sizing(place.priced["one"], place.priced["mixed"]))
        finally:
            kafka.kill()
    if given.write:
        write(told, START, STOP)
        if sized:
            write(sized, START, STOP, PAGE)


def _printed(lines: Iterator[str]) -> str:
    kept = list[str]()
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return "\n".join(kept)


if __name__ == "__main__":
    main()

"""The nightly reports of a nation's week, in a process of their own, on two cores.

    python -m bench.bench_nightly [--store FOLDER] [--rounds N]

The store is made first (half a minute, half a gigabyte) unless FOLDER holds one already. The clock
is on the whole process, from its start to its end with everything written and durable.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from bench.nation_tables import A_DAY, AS_OF, DAYS, INSTITUTIONS, make_store

_CORES = 2
BUDGET_SECONDS, BUDGET_GIB = 60.0, 6.0


@dataclass(frozen=True)
class Night:
    """What one run took: seconds of wall and CPU, peak memory in bytes, and what it wrote."""

    wall: float
    cpu: float
    peak: int
    reports: int
    files: int


def nation_store(folder: Path) -> Path:
    """The nation's week under a folder, made now if it is not there."""
    if not (folder / "store.json").exists():
        make_store(folder, INSTITUTIONS, A_DAY, AS_OF)
    return folder


def run_apart(store: Path) -> Night:
    """One run in a fresh process on ``_CORES`` cores, into a folder that is thrown away."""
    cores = sorted(os.sched_getaffinity(0))[-_CORES:]
    with tempfile.TemporaryDirectory() as out:
        asked = ["report", "nightly", "--store", str(store), "--as-of", AS_OF.isoformat()]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *asked, "--out", out, "--format", "json"],
            stdout=subprocess.PIPE, check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        files = sum(len(names) for _, _, names in os.walk(out))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Night(wall, cpu, after.ru_maxrss * 1024, orjson.loads(done.stdout)["reports"], files)


def lines(nights: list[Night]) -> Iterator[str]:
    """The runs as Markdown: the median, and the budget."""
    wall = median(night.wall for night in nights)
    cpu = median(night.cpu for night in nights)
    peak = max(night.peak for night in nights) / (1 << 30)
    one = nights[0]
    visits = DAYS * A_DAY / 1e6
    yield "| institutions | 1.0 visits | files written | wall s | CPU s | peak GiB |"
    yield "|--:|--:|--:|--:|--:|--:|"
    yield (
        f"| {one.reports:,} | {visits:.1f} M | {one.files:,} | {wall:.1f} | {cpu:.1f} "
        f"| {peak:.2f} |"
    )
    yield ""
    met = wall <= BUDGET_SECONDS and peak <= BUDGET_GIB
    yield "| budget | at most | measured | |"
    yield "|---|--:|--:|---|"
    yield (
        f"| nightly comparison on two cores | {BUDGET_SECONDS:.0f} s, {BUDGET_GIB:.0f} GiB "
        f"| {wall:.1f} s, {peak:.2f} GiB | {'met' if met else '**not met**'} |"
    )


def bench_nightly(benchmark):  # type: ignore[no-untyped-def]
    with _folder(None) as folder:
        store = nation_store(folder)
        benchmark.pedantic(lambda: run_apart(store), rounds=3)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with _folder(asked.store) as folder:
        store = nation_store(folder)
        nights = [run_apart(store) for _ in range(asked.rounds)]
    print("\n".join(lines(nights)))


if __name__ == "__main__":
    main()

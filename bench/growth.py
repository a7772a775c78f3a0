"""How a store grows: a thousand small commits, then upkeep. ``python -m bench.growth``.

Each commit holds a few made-up uploads of a few records; some are corrections and deletes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.run import RunOptions, run
from pipeline.store.compaction import compact
from pipeline.store.opening import open_tables
from pipeline.store.store import open_store
from pipeline.store.vacuum import vacuum
from rules import load_plan

COMMITS, UPLOADS_A_COMMIT, RECORDS_AN_UPLOAD = 1_000, 2, 5
AROUND = 10  # commits whose median is told
OPENINGS = 3


@dataclass(frozen=True)
class Size:
    """Data files of the tables, files of their logs, and MB (10^6 bytes) of each."""

    files: int
    megabytes: float
    logs: int
    log_megabytes: float

    def __str__(self) -> str:
        return f"{self.files:,} | {self.megabytes:.1f} | {self.logs:,} | {self.log_megabytes:.1f}"


def size_of(store: Path) -> Size:
    """What the tables of a store take on disk."""
    found = [path for path in (store / "tables").rglob("*") if path.is_file()]
    logs = [path for path in found if path.parent.name == "_delta_log"]
    data = [path for path in found if path.suffix == ".parquet" and path not in set(logs)]
    sizes = [sum(path.stat().st_size for path in paths) / 1e6 for paths in (data, logs)]
    return Size(len(data), sizes[0], len(logs), sizes[1])


def opening(store: Path) -> float:
    """Seconds that opening takes, the median of some."""
    taken = []
    for _ in range(OPENINGS):
        start = time.perf_counter()
        with open_store(store):
            taken.append(time.perf_counter() - start)
    return median(taken)


def commits(folder: Path, store: Path, at: list[int]) -> Iterator[tuple[int, float, float, Size]]:
    """Runs over the folder; after so many commits: seconds, CPU seconds a commit, and the size."""
    sources = sorted(folder.glob("*.xml"))
    options = RunOptions(
        received_at=DEFAULT_AS_OF, batch_uploads=UPLOADS_A_COMMIT, commit_uploads=UPLOADS_A_COMMIT,
    )  # fmt: skip
    done = 0
    for stop in at:
        moments = [_clocks()]
        part = sources[done * UPLOADS_A_COMMIT : stop * UPLOADS_A_COMMIT]
        run(
            part, store, load_plan(), options,
            progress=lambda _, moments=moments: moments.append(_clocks()),
        )  # fmt: skip
        wall, cpu = (
            median([after[i] - before[i] for before, after in pairwise(moments)][1:][-AROUND:])
            for i in (0, 1)
        )
        yield stop, wall, cpu, size_of(store)
        done = stop


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main(total: int) -> None:
    """Print the table for ``bench/README.md``."""
    at = [n for n in (10, 100, 500) if n < total] + [total]
    with tempfile.TemporaryDirectory() as temporary:
        folder, store = Path(temporary) / "in", Path(temporary) / "store"
        uploads = total * UPLOADS_A_COMMIT
        generate(uploads * RECORDS_AN_UPLOAD, uploads, 21, 0.02, folder)
        print("| after | s a commit | CPU s | s to open | data files | MB | log files | MB |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for count, wall, cpu, size in commits(folder, store, at):
            print(
                f"| {count:,} commits | {wall:.2f} | {cpu:.2f} | {opening(store):.2f} | {size} |",
                flush=True,
            )
        for name, work in (
            ("compact", lambda held: compact(held)),
            ("vacuum of all that is old", lambda held: list(vacuum(held, 0))),
        ):
            start = time.perf_counter()
            with open_tables(store) as held:
                work(held)
            taken = time.perf_counter() - start
            print(
                f"| {name} ({taken:.1f} s) | | | {opening(store):.2f} | {size_of(store)} |",
                flush=True,
            )


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--commits", type=int, default=COMMITS)
    main(given.parse_args().commits)

"""The whole main job: files to committed tables and receipts, in a process of its own.

Each run gets a fresh process, so that its peak memory is its own, and a fresh store on disk.
``python -m bench.bench_run FOLDER RECORDS WORKERS`` is one run; it prints one line of JSON.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from bench.uploads import UploadSet, made

NATION_RECORDS, NATION_UPLOADS = 1_300_000, 30_000
RECORDS = 108_000  # about 200 MB
FAULTS = 0.02


@dataclass(frozen=True)
class Ran:
    """What one run took: seconds of wall and CPU, peak memory in bytes."""

    wall: float
    cpu: float
    peak: int
    records: int
    size: int
    findings: int


def part_of_the_nation(records: int = RECORDS) -> UploadSet:
    """``records`` of the nation's day, in uploads of the nation's average size."""
    return made(records, max(1, records * NATION_UPLOADS // NATION_RECORDS), FAULTS)


def run_apart(chosen: UploadSet, cores: int) -> Ran:
    """Run in a fresh process on ``cores`` cores, with as many workers.

    Raises ``subprocess.CalledProcessError`` where that process fails.
    """
    available = sorted(os.sched_getaffinity(0))[-cores:]
    done = subprocess.run(
        [sys.executable, "-m", "bench.bench_run", chosen.paths[0].parent, str(cores)],
        stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.sched_setaffinity(0, available),
    )  # fmt: skip
    return Ran(**orjson.loads(done.stdout))


def median_run(chosen: UploadSet, cores: int, rounds: int) -> Ran:
    """The run with the median wall time."""
    runs = [run_apart(chosen, cores) for _ in range(rounds)]
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]


def run_here(folder: Path, workers: int) -> Ran:
    """One run over a folder of uploads, with receipts, into a store that is thrown away.

    Kernels are loaded before the clock starts (some 0.6 s): a whole nation's day does it once too,
    so it must not count twelvefold.
    """
    from pipeline.core import process
    from pipeline.generate import DEFAULT_AS_OF
    from pipeline.outcome import Envelope
    from pipeline.report.receipt_files import ReceiptFolder
    from pipeline.run import RunOptions, run
    from rules import load_plan

    plan = load_plan()
    first = min(folder.glob("*.xml"))
    process(first.read_bytes(), Envelope(DEFAULT_AS_OF), plan)
    options = RunOptions(received_at=DEFAULT_AS_OF, workers=workers)
    with tempfile.TemporaryDirectory() as scratch:
        receipts = ReceiptFolder(Path(scratch, "receipts"))
        wall, cpu = time.perf_counter(), time.process_time()
        done = run([folder], Path(scratch, "store"), plan, options, receipts=receipts)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        receipts.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = sum(path.stat().st_size for path in folder.glob("*.xml"))
    return Ran(wall, cpu, peak, done.counts.records, size, sum(done.codes.values()))


@pytest.mark.parametrize("cores", [1, 2])
def bench_run(benchmark, cores):  # type: ignore[no-untyped-def]
    chosen = part_of_the_nation()
    benchmark.pedantic(lambda: run_apart(chosen, cores), rounds=3)


if __name__ == "__main__":
    ran = run_here(Path(sys.argv[1]), int(sys.argv[2]))
    print(orjson.dumps(ran).decode())

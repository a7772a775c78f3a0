"""Timing of jobs side by side: in turns, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Prepare = Callable[[], "Job"]
"""Makes a job ready; what it does is not timed."""


@dataclass(frozen=True)
class Job:
    """Work on ``size`` bytes of uploads that hold ``records`` records, in ``uploads`` uploads."""

    work: Callable[[], object]
    size: int
    records: int
    uploads: int = 1


@dataclass(frozen=True)
class Speed:
    """Median seconds of a job's rounds: on the wall, and of the process's CPU on all its cores."""

    job: Job
    wall: float
    cpu: float

    @property
    def megabytes(self) -> float:
        """MB (10^6 bytes) of upload a second of wall time."""
        return self.job.size / self.wall / 1e6

    @property
    def megabytes_cpu(self) -> float:
        """MB of upload a second of CPU time: what a quiet machine would show."""
        return self.job.size / self.cpu / 1e6


def pin_to_one_core() -> None:
    """Let this process run on one core only, whatever threads its libraries start."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def side_by_side(prepared: Mapping[str, Prepare], rounds: int) -> dict[str, Speed]:
    """Speeds of jobs that take turns, ``rounds`` times, after a turn that does not count."""
    jobs = {name: prepare() for name, prepare in prepared.items()}
    for job in jobs.values():
        job.work()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            taken[name].append(_once(job.work))
    return {
        name: Speed(job, median(w for w, _ in taken[name]), median(c for _, c in taken[name]))
        for name, job in jobs.items()
    }


def _once(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds of one call; what it gives is freed after the clock has stopped."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    kept = work()
    taken = time.perf_counter() - wall, time.process_time() - cpu
    del kept
    return taken

"""All benchmarks side by side, as Markdown.

    python -m bench.table [--write] [--rounds N] [--only GROUP] [--nation]

One process, pinned to one core, the contenders of a group taking turns. ``--write`` puts the
tables into ``bench/README.md``; ``--nation`` runs the main job on a whole nation's day (minutes,
and some gigabytes of temporary disk) instead of a twelfth of it.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from bench import bench_parse, bench_scan, bench_tiny, bench_validate
from bench.bench_run import NATION_RECORDS, RECORDS, Ran, median_run, part_of_the_nation
from bench.budgets import BUDGETS, NATION_BYTES, NATION_SECONDS
from bench.measure import Speed, pin_to_one_core, side_by_side

README = Path(__file__).with_name("README.md")
START, STOP = "<!-- measured -->", "<!-- end -->"
GROUPS = {
    "scan": bench_scan.CONTENDERS,
    "parse": bench_parse.CONTENDERS,
    "validate": bench_validate.CONTENDERS,
    "tiny": bench_tiny.CONTENDERS,
}
_RUN_ROUNDS = 3


def measured(rounds: int, only: str | None, *, nation: bool) -> Iterator[str]:
    """Lines of Markdown, as they become known."""
    python = platform.python_version()
    yield f"On {_processor()} ({platform.machine()}), Python {python}; {rounds} rounds."
    yield ""
    cores = os.sched_getaffinity(0)
    if only in (None, "run"):
        yield from _run_lines(_RUN_ROUNDS, nation=nation)
    pin_to_one_core()
    for group, prepared in GROUPS.items():
        if only in (None, group):
            speeds = side_by_side(prepared, rounds)
            yield from _speed_lines(group, speeds)
            yield from _budget_lines(group, speeds)
    os.sched_setaffinity(0, cores)


def _speed_lines(group: str, speeds: dict[str, Speed]) -> Iterator[str]:
    first = next(iter(speeds.values()))
    yield f"### {group}\n"
    yield "| contender | on MB | MB/s (wall) | MB/s (CPU) | records/s (CPU) | the first is × |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, speed in speeds.items():
        ratio = first.megabytes_cpu / speed.megabytes_cpu
        yield (
            f"| {name} | {speed.job.size / 1e6:,.2f} | {_figure(speed.megabytes)} "
            f"| {_figure(speed.megabytes_cpu)} | {speed.job.records / speed.cpu:,.0f} "
            f"| {_figure(ratio)} |"
        )
    yield ""


def _budget_lines(group: str, speeds: dict[str, Speed]) -> Iterator[str]:
    yield "| budget | at least | measured | |\n|---|--:|--:|---|"
    for budget in BUDGETS[group]:
        got = budget.of(speeds)
        met = "met" if got >= budget.least else "**not met**"
        yield f"| {budget.says} | {budget.least:,g} {budget.unit} | {_figure(got)} | {met} |"
    yield ""


def _run_lines(rounds: int, *, nation: bool) -> Iterator[str]:
    chosen = part_of_the_nation(NATION_RECORDS if nation else RECORDS)
    yield "### run\n"
    yield "| cores | MB | records | wall s | CPU s | MB/s (wall) | records/s (wall) | peak MiB |"
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    ran: Ran
    for cores in (1, 2):
        ran = median_run(chosen, cores, 1 if nation else rounds)
        yield (
            f"| {cores} | {ran.size / 1e6:,.0f} | {ran.records:,} | {ran.wall:.2f} | {ran.cpu:.2f} "
            f"| {_figure(ran.size / ran.wall / 1e6)} | {ran.records / ran.wall:,.0f} "
            f"| {ran.peak / 2**20:,.0f} |"
        )
    day = ran.wall * NATION_RECORDS / ran.records
    how = "measured" if nation else "extrapolated from the records above"
    met = "met" if day <= NATION_SECONDS and ran.peak <= NATION_BYTES else "**not met**"
    yield ""
    yield "| budget | at most | measured | |\n|---|--:|--:|---|"
    yield (
        f"| a nation's day on two cores ({how}) | {NATION_SECONDS:g} s, {NATION_BYTES >> 20:,} MiB "
        f"| {day:.1f} s, {ran.peak / 2**20:,.0f} MiB | {met} |\n"
    )


def _figure(value: float) -> str:
    """Three figures are as many as are sure."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
    return f"{os.cpu_count()} cores of {', '.join(sorted(names)) or 'unknown make'}"


def write(text: str, start: str = START, stop: str = STOP, page: Path = README) -> None:
    """Put tables between their markers in a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(stop)[2]
    page.write_text(f"{before}{start}\n{text}\n{stop}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print, and write if told."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["run", *GROUPS])
    parser.add_argument("--nation", action="store_true")
    given = parser.parse_args()
    lines = []
    for line in measured(given.rounds, given.only, nation=given.nation):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        write("\n".join(lines))


if __name__ == "__main__":
    main()

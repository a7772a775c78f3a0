"""How far a run is, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.cli.console import console
from pipeline.run_summary import RunSummary


@contextmanager
def run_progress() -> Iterator[Callable[[RunSummary], None] | None]:
    """Something to call after every batch; ``None`` where standard error is no terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("收件中 taking uploads in", total=None)
        yield lambda summary: bar.update(task, description=_line(summary))


def _line(summary: RunSummary) -> str:
    return (
        f"上傳 uploads {summary.uploads:,}  資料 records {summary.counts.records:,}"
        f"  {summary.bytes_taken / 1e6:,.0f} MB"
    )


@contextmanager
def steps_progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Something to call with what is being done, steps done and steps in all; as above."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(
            task, description=what, completed=done, total=total
        )

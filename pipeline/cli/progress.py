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

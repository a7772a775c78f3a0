"""Where text goes: colours on a terminal only; a fixed width, never folded, anywhere else."""

from __future__ import annotations

from rich.console import Console

_FILE_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """A rich console for standard output or error. ``NO_COLOR`` is respected."""
    out = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _FILE_WIDTH
    return out

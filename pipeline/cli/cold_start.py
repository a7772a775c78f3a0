"""Say so when kernels must be compiled first: the very first start on a machine takes a while."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import click

_CACHED = "*.nbi"


def announce_if_cold() -> None:
    """Say on standard error that importing the engine will compile it, where it will.

    Kernels have explicit signatures, so they compile when imported and are kept on disk.
    """
    if not any(any(folder.rglob(_CACHED)) for folder in _cache_folders()):
        click.echo(
            "首次啟動：為這台電腦的處理器編譯，只需一次，約半分鐘…\n"
            "First start: compiling kernels for this CPU, once, about half a minute…",
            err=True,
        )


def _cache_folders() -> list[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen)]
    kernels = find_spec("pipeline.kernels")
    return [Path(p) / "__pycache__" for p in (kernels and kernels.submodule_search_locations) or ()]

"""Say so when kernels must be compiled first: the very first start on a machine takes a while."""

from __future__ import annotations

import click

from pipeline.kernels import compile_all, is_cold


def compile_if_cold() -> None:
    """Compile the kernels where this processor's cache lacks them, and say so on standard error.

    To be called before anything imports the engine, which would compile in silence.
    """
    if not is_cold():
        return
    click.echo(
        "首次啟動：為這台電腦的處理器編譯，只需一次，約 30 秒…\n"
        "First start: compiling kernels for this CPU, once, about 30 s…",
        err=True,
    )
    compile_all()

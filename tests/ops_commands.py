"""Commands that stand in deployments, read as our command line reads them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pipeline.cli import cli


def understood(words: Sequence[str]) -> None:
    """Parse a command down to its last option. Raises ``click.UsageError``."""
    command: click.Command = cli
    context, rest = click.Context(cli, info_name="nhi-upload"), list(words)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(command, parent=context, info_name=name)
    command.parse_args(context, rest)

"""``nhi-upload reference``: the tables with periods of validity that some checks need."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import store_option, store_uri_of
from pipeline.settings import Settings
from schemas.reference import REFERENCE_TABLES, ReferenceTable

if TYPE_CHECKING:
    from pipeline.references import References
    from pipeline.store.layout import Layout


@click.group("reference", short_help="參考表 reference tables")
def command() -> None:
    """參考表（院所、藥品、支付標準…），附有效期間。Reference tables with periods of validity.

    沒有載入的表，相關檢核列為未檢查。Without a table its checks are named as not checked.

    \b
    Examples:
      nhi-upload reference load drugs drugs.csv --store ./store
      nhi-upload reference list --store ./store
      nhi-upload check visits.xml --reference tables/
    """


@command.command("load")
@click.argument("name", type=click.Choice(list(REFERENCE_TABLES)), metavar="NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@store_option
@click.pass_obj
def load(settings: Settings, name: str, file: Path, store_uri: str | None) -> int:
    """載入一張參考表。Put a table in force, whole or not at all.

    FILE 是 CSV（UTF-8 或 Big5），欄名見 reference list。FILE is a CSV in UTF-8 or Big5.

    \b
    Examples:
      nhi-upload reference load holidays holidays.csv --store ./store
    """
    from pipeline.intake.recovery import open_settled
    from pipeline.reference.kept import load_file
    from pipeline.reference.problems import ReferenceFileError
    from pipeline.store.layout import layout_of
    from pipeline.stream.topics import stream_of
    from rules import load_plan

    uri = store_uri_of(store_uri, settings)
    waiting = lambda message: click.echo(message, err=True)  # noqa: E731
    try:
        # What was received before is judged without the new table; workers read it at their start.
        settled = open_settled(
            uri, load_plan(), utf8=settings.allow_utf8, limits=settings.limits, waiting=waiting
        )
        with nullcontext() if stream_of(layout_of(uri)) else settled:
            done = load_file(layout_of(uri), name, file)
    except ReferenceFileError as wrong:
        raise click.UsageError(str(wrong)) from None
    click.echo(f"{name}: {done.rows:,} 列 rows, {done.version}")
    return 0


@command.command("list")
@store_option
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_tables(settings: Settings, store_uri: str | None, shape: str) -> int:
    """列出參考表、欄名與已載入的版本。List tables, their columns and what is loaded.

    \b
    Examples:
      nhi-upload reference list
      nhi-upload reference list --store ./store --format json
    """
    import orjson

    from pipeline.reference.kept import loaded

    uri = store_uri or settings.store_uri
    there = {} if uri is None else {found.name: found for found in loaded(_layout(uri))}
    for name, table in REFERENCE_TABLES.items():
        found = there.get(name)
        version, rows = (found.version, found.rows) if found else (None, None)
        if shape == "json":
            click.echo(orjson.dumps(_described(table) | {"version": version, "rows": rows}))
        else:
            state = f"{rows:,} 列 rows, {version}" if found else "未載入 not loaded"
            click.echo(f"{name:<26} {state}\n  {table.zh} {table.en}\n  {','.join(table.header)}")
    return 0


def tables_of(folder: Path | None) -> References:
    """The tables of a folder, none where there is no folder. Raises ``click.UsageError``."""
    from pipeline.reference.folder import read_folder
    from pipeline.reference.problems import ReferenceFileError
    from pipeline.references import NONE

    if folder is None:
        return NONE
    try:
        return read_folder(folder)
    except ReferenceFileError as wrong:
        raise click.UsageError(str(wrong)) from None


def _described(table: ReferenceTable) -> dict[str, object]:
    return {
        "name": table.name,
        "columns": table.header,
        "zh": table.zh,
        "en": table.en,
        "authority": table.authority,
    }


def _layout(uri: str) -> Layout:
    from pipeline.store.layout import layout_of, read_config

    layout = layout_of(uri)
    if read_config(layout) is None:
        raise click.UsageError(f"沒有這個資料庫 there is no store at {uri}")
    return layout

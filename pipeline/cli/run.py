"""``nhi-upload run``: the main job, from files to committed tables and receipts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Institution, Moment, store_option, store_uri_of
from pipeline.outcome import Channel, Mode
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.run import RunOptions
    from pipeline.run_summary import RunSummary

_OUR_FAULT = 70


@click.command(
    "run", short_help="收下、檢核、合併、寫入 take uploads in, check, merge and store them"
)
@click.argument("sources", nargs=-1, required=True, type=click.Path(), metavar="SOURCE...")
@store_option
@click.option("--mode", type=click.Choice(["official", "precheck"]), default="official")
@click.option("--channel", type=click.Choice(["web-api", "vpn"]), default="web-api")
@click.option("--received-at", type=Moment(), help="收件時間 moment of receipt; default: now.")
@click.option("--institution", type=Institution(), help="送件機構 the sender; default: first M05.")
@click.option("--workers", type=click.IntRange(1), default=1, help="先行檢核批數 batches ahead.")
@click.option(
    "--receipts",
    type=click.Path(file_okay=False, path_type=Path),
    help="回條資料夾 folder for receipts of uploads with findings.",
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.option("--strict", is_flag=True, help="結束碼同 check exit as check does.")
@click.pass_obj
def command(
    settings: Settings,
    sources: tuple[str, ...],
    store_uri: str | None,
    mode: Mode,
    channel: Channel,
    received_at: datetime | None,
    institution: str | None,
    workers: int,
    receipts: Path | None,
    shape: str,
    strict: bool,
) -> int:
    """收下上傳檔：存檔、檢核、合併、寫入資料表、開立回條。Take uploads in, whole.

    SOURCE 可為檔案或資料夾。SOURCE is a file or a folder: .xml, .xml.gz, .zip.
    重送同名同內容的檔案不會改變任何資料。The same file sent again changes nothing.
    大量刪除的上傳暫緩處理。Uploads that would delete much are held (nhi-upload held list).

    \b
    Examples:
      nhi-upload run inbox/ --store ./store --receipts ./receipts
      nhi-upload run visits.xml --store ./store --mode precheck --strict
      nhi-upload run day.zip --store ./store --received-at 2025-11-20T21:00
    """
    from pipeline.cli.cold_start import compile_if_cold

    uri = store_uri_of(store_uri, settings)
    compile_if_cold()
    from pipeline.run import RunOptions

    options = RunOptions(
        mode=mode,
        channel=channel,
        received_at=received_at,
        institution=institution,
        workers=workers,
        utf8=settings.allow_utf8,
        limits=settings.limits,
    )
    summary = _run(sources, uri, options, receipts, settings)
    _tell(summary, receipts, shape)
    return _exit_code(summary, strict)


def _run(
    sources: tuple[str, ...],
    uri: str,
    options: RunOptions,
    receipts: Path | None,
    settings: Settings,
) -> RunSummary:
    from functools import partial

    from pipeline.cli.progress import run_progress
    from pipeline.cli.stored import answers_from_store
    from pipeline.ingest.ingest import SourceMissingError
    from pipeline.report.receipt_files import ReceiptFolder
    from pipeline.run import run
    from rules import load_plan

    stored = partial(answers_from_store, uri, settings)
    folder = ReceiptFolder(receipts, stored) if receipts is not None else None
    try:
        with run_progress() as progress:
            return run(
                sources,
                uri,
                load_plan(),
                options,
                progress=progress,
                receipts=folder,
                waiting=lambda message: click.echo(message, err=True),
            )
    except SourceMissingError as missing:
        raise click.UsageError(str(missing)) from None
    finally:
        if folder:
            folder.close()


def _tell(summary: RunSummary, receipts: Path | None, shape: str) -> None:
    import orjson

    from pipeline.cli.console import console
    from pipeline.report.summary import show_summary, summary_json
    from rules import load_plan

    if shape == "json":
        click.echo(orjson.dumps(summary_json(summary)))
        return
    show_summary(summary, load_plan(), console())
    if receipts is not None:
        click.echo(f"回條 receipts: {receipts}")


def _exit_code(summary: RunSummary, strict: bool) -> int:
    """0 when everything was processed, whatever the verdicts; strict answers like ``check``, and 1
    for an upload that is held."""
    if summary.failed:
        return _OUR_FAULT
    if not strict:
        return 0
    return 2 if summary.refused else int(summary.counts.records_rejected + summary.held > 0)

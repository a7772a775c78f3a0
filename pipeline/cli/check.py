"""``nhi-upload check``: the engine on files, offline, without a store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.inputs import inputs
from pipeline.cli.options import Institution, Moment, now
from pipeline.outcome import Envelope, Mode
from pipeline.settings import Settings

if TYPE_CHECKING:  # importing the engine compiles it, which is to be announced first
    from pipeline.parse.parse import ParserChoice
    from pipeline.report.answer import Answer
    from pipeline.report.error_csv import CsvEncoding
    from rules.plan import Plan
    from schemas import Version


@click.command("check", short_help="離線檢核上傳檔 check upload files offline")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, readable=True, allow_dash=True)
)
@click.option("--mode", type=click.Choice(["official", "precheck"]), default="official")
@click.option(
    "--as-of", type=Moment(), help="收件時間 moment of receipt; default: now, Asia/Taipei."
)
@click.option("--institution", type=Institution(), help="送件機構 the sender; default: first M05.")
@click.option(
    "--reference",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="參考表資料夾 folder of reference tables.",
)
@click.option("--format", "shape", type=click.Choice(["text", "csv", "json"]), default="text")
@click.option("--records", is_flag=True, help="json：逐筆結果 a verdict for every record.")
@click.option("--parser", type=click.Choice(["auto", "fast", "lxml"]), default="auto")
@click.option("--encoding", type=click.Choice(["utf-8", "big5"]), default="utf-8", help="csv only.")
@click.option(
    "--details", type=click.IntRange(0), default=10, help="text：每種錯誤列出幾項 places a code."
)
@click.pass_obj
def command(
    settings: Settings,
    files: tuple[str, ...],
    mode: Mode,
    as_of: datetime | None,
    institution: str | None,
    reference: Path | None,
    shape: str,
    records: bool,
    parser: ParserChoice,
    encoding: CsvEncoding,
    details: int,
) -> int:
    """離線檢核上傳檔，與正式收件同一套引擎。Check upload files with the engine that takes them in.

    格式 1.0 與 2.0 由檔案內容辨識。Formats 1.0 and 2.0 are told apart by the file itself.
    FILE 可為 .xml、.xml.gz、.zip，或 - 代表標準輸入。Use - for standard input.
    結束碼 exit code: 0 全部接受 accepted, 1 有資料退件 records rejected, 2 整批退件 refused.

    \b
    Examples:
      nhi-upload check visits.xml
      nhi-upload check visits.xml --as-of 2025-05-01T12:00 --format csv > errors.csv
      nhi-upload check *.xml --format json | jq '.counts'
      nhi-upload check visits.xml --reference tables/
    """
    envelope = Envelope(as_of or now(), institution, mode=mode)
    answers = _answers(files, envelope, parser, settings, reference)
    if shape == "csv":
        return _write_csv(answers, encoding)
    return _write_json(answers, records) if shape == "json" else _write_text(answers, details)


def _answers(
    files: tuple[str, ...],
    envelope: Envelope,
    parser: ParserChoice,
    settings: Settings,
    folder: Path | None,
) -> Iterator[Answer]:
    from pipeline.cli.cold_start import compile_if_cold
    from rules import load_plan

    compile_if_cold()
    from pipeline.cli.judge import judge
    from pipeline.cli.reference import tables_of

    uploads = inputs(files, settings.limits)

    def plan_of(version: Version) -> Plan:
        return load_plan(version=version.number)

    return judge(uploads, envelope, plan_of, parser, settings, tables_of(folder))


def _write_text(answers: Iterator[Answer], details: int) -> int:
    from pipeline.cli.console import console
    from pipeline.report.screen import show, show_not_checked

    screen, worst, last = console(), 0, None
    for last in answers:
        show(last, screen, details)
        worst = max(worst, last.worst)
    if last is not None:
        show_not_checked(last, screen)
    return worst


def _write_json(answers: Iterator[Answer], records: bool) -> int:
    from pipeline.report.verdict_json import verdict_json

    worst = 0
    for answer in answers:
        sys.stdout.buffer.write(verdict_json(answer, records=records))
        worst = max(worst, answer.worst)
    return worst


def _write_csv(answers: Iterator[Answer], encoding: CsvEncoding) -> int:
    from pipeline.report.error_csv import error_csv

    worst = 0

    def one_by_one() -> Iterator[Answer]:
        nonlocal worst
        for answer in chain(first, answers):
            worst = max(worst, answer.worst)
            yield answer

    first = list(islice(answers, 2))
    written = error_csv(one_by_one(), encoding, name_uploads=len(first) > 1)
    sys.stdout.buffer.write(written)
    return worst

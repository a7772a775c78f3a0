"""``nhi-upload trace``: every version of a visit, down to the bytes it came from."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Institution, store_option, store_uri_of
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.lineage.rows import Rows
    from pipeline.lineage.visit import Row, Trace, Visit
    from pipeline.outcome import Mode

_MOST_CANDIDATES = 50
_NOTHING_FOUND = 1
_DIGITS = re.compile(r"[0-9]{13}")
_TREATMENT_ID = re.compile(r"[0-9A-Z]{20}")


class CardMoment(click.ParamType[str]):
    """The moment of the card (M11): as sent, or an ISO date and time of Taipei."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        if _DIGITS.fullmatch(text):
            return text
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} 不是 M11 或 ISO 時間 is neither M11 nor ISO", param, ctx)
        here = moment.astimezone(TAIPEI) if moment.tzinfo else moment
        return f"{here.year - 1911:03d}{here:%m%d%H%M%S}"


@click.command("trace", short_help="追查一筆就醫的所有版本 every version of a visit")
@click.argument("treatment_id", required=False)
@store_option
@click.option("--upload", "upload_id", metavar="ID", help="改以上傳編號與筆次查 by upload instead.")
@click.option("--record", type=click.IntRange(1), help="第幾筆 the record of --upload.")
@click.option("--institution", type=Institution(), help="機構 M05; 特殊碼用 for special codes.")
@click.option("--person", help="身分證號 M03; 特殊碼用 for special codes.")
@click.option("--moment", type=CardMoment(), help="就醫時間 M11; 特殊碼用 for special codes.")
@click.option("--mode", type=click.Choice(["official", "precheck"]), default="official")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.option("--xml/--no-xml", default=True, help="是否列出 XML whether to show the XML.")
@click.option("--clear", is_flag=True, help="不遮蔽個資 show ids and signatures in clear.")
@click.option("--raw", is_flag=True, help="只輸出原始位元組 only the bytes, exactly as sent.")
@click.option("--order", type=click.IntRange(1), help="--raw 的醫令 the order for --raw.")
@click.option("--most-uploads", type=click.IntRange(0), default=500, show_default=True,
              help="最多查幾個上傳 uploads searched for what was not taken.")  # fmt: skip
@click.pass_obj
def command(
    settings: Settings, treatment_id: str | None, store_uri: str | None, upload_id: str | None,
    record: int | None, institution: str | None, person: str | None, moment: str | None,
    mode: Mode, shape: str, xml: bool, clear: bool, raw: bool, order: int | None,
    most_uploads: int,
) -> int:  # fmt: skip
    """追查一筆就醫：每一版、判定、錯誤、原始 XML、醫令與處方帳。Every version of a visit.

    個資預設遮蔽。Ids and signatures are masked without --clear. 找不到時結束碼為 1。
    Exit code 1 when nothing is found.

    \b
    Examples:
      nhi-upload trace G2W4YTA17GEHM3C7SHS8 --store ./store
      nhi-upload trace --upload 01JAB… --record 3 --store ./store --format json
      nhi-upload trace --upload 01JAB… --record 3 --order 2 --clear --raw --store ./store
      nhi-upload trace SM000000000000000000 --institution 3500000001 --store ./store
    """
    uri = store_uri_of(store_uri, settings)
    if (treatment_id is None) == (upload_id is None) or (upload_id is None) != (record is None):
        raise click.UsageError(
            "請給就醫識別碼，或 --upload 與 --record；give a treatment id, or --upload and --record"
        )
    if raw and not clear:
        raise click.UsageError("--raw 會顯示個資，須加 --clear；--raw shows ids: add --clear")
    if order is not None and not raw:
        raise click.UsageError("--order 須與 --raw 併用 goes with --raw")
    from pipeline.cli.cold_start import compile_if_cold

    compile_if_cold()
    from pipeline.lineage.rows import Rows
    from pipeline.lineage.visit import Visit

    rows = Rows(uri, mode)
    if upload_id is not None and record is not None:
        rows, trace = _of_record(uri, rows, upload_id, record, most_uploads)
    else:
        visit = Visit(_treatment_id(treatment_id or ""), institution, person, moment)
        found = _of_visit(rows, visit, most_uploads, clear)
        if found is None:
            return _NOTHING_FOUND
        trace = found
    if raw:
        return _write_bytes(rows, trace, order)
    return _tell(trace, shape, clear=clear, xml=xml)


def _treatment_id(given: str) -> str:
    """What was typed, as treatment ids are written. Raises ``click.UsageError``."""
    text = given.strip().upper()
    if not _TREATMENT_ID.fullmatch(text):
        raise click.UsageError(
            "就醫識別碼是 20 碼英數字；內容不符的紀錄請以 --upload 與 --record 查。"
            "A treatment id has 20 letters and digits; for records with anything else give "
            "--upload and --record"
        )
    return text


def _of_visit(rows: Rows, visit: Visit, most_uploads: int, clear: bool) -> Trace | None:
    """The trace, or ``None`` after saying why there is none."""
    from dataclasses import replace

    from pipeline.lineage.follow import follow

    if not visit.whole:
        candidates = rows.candidates(visit, _MOST_CANDIDATES)
        if len(candidates) != 1:
            _tell_candidates(candidates, clear)
            return None
        (one,) = candidates
        visit = replace(visit, institution=one["M05"], person=one["M03"], moment=one["M11"])
    return follow(rows, visit, most_uploads=most_uploads)


def _tell_candidates(candidates: Sequence[Row], clear: bool) -> None:
    from pipeline.report.masking import masked
    from pipeline.report.printable import printable

    click.echo(
        "特殊碼不能單獨指出一筆就醫，請加 --institution、--person、--moment\n"
        "A special code names no visit by itself; add --institution, --person and --moment",
        err=True,
    )
    for row in candidates:
        person = row["M03"] if clear else masked("M03", row["M03"])
        who = f"--institution {printable(row['M05'])} --person {printable(person or '—')}"
        when = f"--moment {printable(row['M11'])}"
        click.echo(f"{who} {when}  （--upload {row['upload_id']} --record {row['record']}）")
    if len(candidates) == _MOST_CANDIDATES:
        click.echo(f"只列出最後 {_MOST_CANDIDATES} 筆 only the last are listed", err=True)
    if not candidates:
        click.echo("沒有符合的有效紀錄 no live record matches", err=True)


def _of_record(
    uri: str, rows: Rows, upload_id: str, record: int, most_uploads: int
) -> tuple[Rows, Trace]:
    """The trace of the visit that a record names, and the tables of its mode."""
    from pipeline.lineage.follow import follow_record
    from pipeline.lineage.rows import Rows as RowsOf

    upload = rows.uploads([upload_id]).get(upload_id)
    if upload is not None and upload["redelivery_of"]:
        upload = rows.uploads([upload["redelivery_of"]]).get(upload["redelivery_of"])
    if upload is None:
        raise click.UsageError(f"沒有這個上傳 no such upload: {upload_id}")
    if upload["mode"] != rows.mode:
        rows = RowsOf(uri, upload["mode"])
    try:
        return rows, follow_record(rows, upload, record, most_uploads=most_uploads)
    except LookupError:
        raise click.UsageError(
            f"上傳 {upload_id} 沒有第 {record} 筆可讀 the upload has no record {record} to read"
        ) from None


def _write_bytes(rows: Rows, trace: Trace, order: int | None) -> int:
    """The bytes of the record asked for, or of the version that stands; or of one order of it."""
    chosen = [
        version
        for version in trace.versions
        if version.stands or trace.asked == (version.upload["upload_id"], version.record)
    ]
    if trace.asked:
        chosen = [v for v in chosen if trace.asked == (v.upload["upload_id"], v.record)]
    archived = rows.archived(chosen[0].upload) if chosen else None
    if archived is None:
        click.echo("沒有有效的紀錄 no record stands", err=True)
        return _NOTHING_FOUND
    place = chosen[0].place
    if order is not None:
        spans = archived.orders(chosen[0].record)
        if order > len(spans):
            raise click.UsageError(f"只有 {len(spans)} 筆醫令 there are only {len(spans)} orders")
        place = spans[order - 1]
    sys.stdout.buffer.write(archived.bytes_at(place))
    return 0


def _tell(trace: Trace, shape: str, *, clear: bool, xml: bool) -> int:
    from pipeline.cli.console import console
    from pipeline.report.trace_json import TraceJson
    from pipeline.report.trace_text import TraceScreen
    from rules import load_plan

    if shape == "json":
        sys.stdout.buffer.write(TraceJson(load_plan(), clear=clear, xml=xml).write(trace))
    else:
        TraceScreen(console(), load_plan(), clear=clear, xml=xml).show(trace)
    if trace.versions:
        return 0
    click.echo(
        "沒有任何上傳提到這筆就醫；請確認識別碼、--mode 與 --store\n"
        "No upload names this visit; check the id, --mode and --store",
        err=True,
    )
    return _NOTHING_FOUND

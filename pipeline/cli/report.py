"""``nhi-upload report``: what a store says of institutions' uploads."""

from __future__ import annotations

import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Institution, now, store_option, store_uri_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.report.precheck.nightly import Nightly
    from pipeline.report.result_list import ResultList


class Day(click.ParamType[date]):
    """A date as ISO writes it."""

    name = "iso-date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} 不是 ISO 日期 is no ISO date", param, ctx)


_as_of = click.option("--as-of", type=Day(), help="系統日期 system date; default: today, Taipei.")
_institution = click.option(
    "--institution", type=Institution(), required=True, help="醫事機構代碼 the institution."
)


@click.group("report", short_help="報表 reports on what is stored")
def command() -> None:
    """預檢比對報表與上傳結果。Pre-check comparison and results of uploads.

    \b
    Examples:
      nhi-upload report precheck --store ./store --institution 3500000001 --out report/
      nhi-upload report results --store ./store --institution 3500000001
      nhi-upload report nightly --store ./store --out reports/
    """


@command.command("precheck", short_help="2.0預檢比對1.0 2.0 pre-checks against 1.0")
@store_option
@_institution
@_as_of
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def precheck(
    settings: Settings,
    store_uri: str | None,
    institution: str,
    as_of: date | None,
    out: Path,
    shape: str,
) -> int:
    """一家院所的「健保卡2.0預檢比對健保卡1.0統計報表」。The comparison of one institution.

    系統日期前 7 日的就醫資料，寫出 precheck.html、.json、.svg、uploads.csv、unmatched.csv。
    CSV 供院所自己改正，不遮蔽個資。The CSV files show ids in clear, for the institution itself.

    \b
    Examples:
      nhi-upload report precheck --store ./store --institution 3500000001 --out report/
      nhi-upload report precheck --institution 3500000001 --as-of 2024-03-21 --out report/ --format json
    """  # noqa: E501
    from pipeline.comparison.window import Window
    from pipeline.report.precheck.folder import JSON, report_files, write_files
    from pipeline.report.precheck.reports import compared_in, institution_reports
    from pipeline.report.precheck.screen import show_comparison
    from pipeline.report.precheck.week import read_week
    from rules import load_plan

    window = Window(as_of or now().date())
    week = read_week(store_uri_of(store_uri, settings), window, institution)
    (report,) = institution_reports(week, compared_in(week, institution))
    files = report_files(report, load_plan())
    write_files(out, files)
    if shape == "json":
        sys.stdout.buffer.write(files[JSON])
    else:
        from pipeline.cli.console import console

        show_comparison(report, console())
        click.echo(f"已寫入 written: {out}")
    return 0


@command.command("results", short_help="上傳結果查詢 results of uploads")
@store_option
@_institution
@click.option("--from", "first", type=Day(), help="起 first day received; default: 6 days ago.")
@click.option("--to", "last", type=Day(), help="迄 last day received; default: today, Taipei.")
@click.option("--format", "shape", type=click.Choice(["text", "csv", "json"]), default="text")
@click.pass_obj
def results(
    settings: Settings,
    store_uri: str | None,
    institution: str,
    first: date | None,
    last: date | None,
    shape: str,
) -> int:
    """健保卡就醫資料上傳檢核結果查詢。What became of an institution's uploads, the last first.

    每個上傳的接收、有效、無效筆數與醫令；有錯誤時說明如何下載。並計算依限上傳的比率（第10條）。

    \b
    Examples:
      nhi-upload report results --store ./store --institution 3500000001
      nhi-upload report results --institution 3500000001 --from 2024-03-16 --to 2024-03-20 --format csv
    """  # noqa: E501
    from pipeline.cli.console import console
    from pipeline.report.result_list import results_csv, results_json, show_results

    last = last or now().date()
    first = first or last - timedelta(6)
    if first > last:
        raise click.UsageError("--from 晚於 --to is later than --to")
    found = _results(store_uri_of(store_uri, settings), institution, first, last)
    if shape == "text":
        show_results(found, console())
    else:
        sys.stdout.buffer.write(results_csv(found) if shape == "csv" else results_json(found))
    return 0


@command.command("nightly", short_help="每夜全國報表 every institution's reports")
@store_option
@_as_of
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--html", "pages", is_flag=True, help="每家院所也寫 HTML a page for every institution."
)
@click.option("--again", is_flag=True, help="已有也重做 make a date again that is there already.")
@click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Prometheus textfile (.prom) 供監控 for the node exporter.",
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def nightly(
    settings: Settings,
    store_uri: str | None,
    as_of: date | None,
    out: Path,
    pages: bool,
    again: bool,
    metrics: Path | None,
    shape: str,
) -> int:
    """所有院所的預檢比對與全國摘要。Every institution's comparison and the country's summary.

    寫成 OUT/日期/，完成才出現；中斷後再執行即可。OUT/DATE appears whole or not at all; run it
    again after an interruption. 個別院所的 HTML 另以 report precheck 產生。Institutions' pages are
    made by report precheck, or here by --html.

    結束碼 exit code: 0 完成 done, 70 失敗 failed.

    \b
    Examples:
      nhi-upload report nightly --store ./store --out reports/
      nhi-upload report nightly --out reports/ --metrics /var/lib/node_exporter/nhi_upload.prom
    """
    from pipeline.comparison.window import Window
    from pipeline.report.precheck.metrics import write_metrics
    from pipeline.report.precheck.nightly import make_nightly
    from rules import load_plan

    made = make_nightly(
        store_uri_of(store_uri, settings),
        Window(as_of or now().date()),
        out,
        load_plan(),
        pages=pages,
        again=again,
        progress=_tell if sys.stderr.isatty() else _be_silent,
    )
    if metrics is not None:
        write_metrics(metrics, made, time.time())
    _tell_nightly(made, shape)
    return 0


def _tell(step: str) -> None:
    click.echo(f"{step}…", err=True)


def _be_silent(step: str) -> None:
    pass


def _tell_nightly(made: Nightly, shape: str) -> None:
    import orjson

    country = made.country
    if shape == "json":
        told = {"folder": str(made.folder), "made": country is not None, "reports": made.reports,
                "qualified": country.qualified if country else None,
                "seconds": round(made.seconds, 3)}  # fmt: skip
        click.echo(orjson.dumps(told))
    elif country is None:
        click.echo(f"已經有了，未重做 there already, left alone (--again): {made.folder}")
    else:
        click.echo(
            f"{made.reports:,} 家 institutions，符合資格 qualified {country.qualified:,}，"
            f"1.0 {country.total.v1:,} 件，相符 matched {country.total.matched:,} 件，"
            f"{made.seconds:,.1f} 秒 s → {made.folder}"
        )


def _results(store_uri: str, institution: str, first: date, last: date) -> ResultList:
    from pipeline.comparison.results import Promptness, promptness, result_list
    from pipeline.report.precheck.week import read_found, read_uploads
    from pipeline.report.result_list import ResultList
    from pipeline.store.read import Snapshot

    snapshot = Snapshot(store_uri, ("uploads", "findings"))
    uploads = read_uploads(snapshot, first, last, institution)
    found = read_found(snapshot, first, last, institution)
    prompt = promptness(uploads, found).get(institution, Promptness())
    return ResultList(institution, first, last, result_list(uploads, found), prompt)

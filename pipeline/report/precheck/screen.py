"""One institution's comparison on a screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.comparison.tally import Tally
from pipeline.comparison.window import roc_date
from pipeline.report.precheck import words
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.report.precheck.shown import reasons, type_label


def show_comparison(report: InstitutionReport, console: Console) -> None:
    """Print the document's table and the verdict."""
    one = report.comparison
    days = f"{roc_date(one.window.first)}–{roc_date(one.window.last)}"
    console.print(
        Text(f"{words.TITLE[0]}　{one.institution}　{days}", style="bold"), soft_wrap=True
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for heading in ("1.0 (A)", "2.0 (B)", "(B)/(A)", "VPN", "Web-API"):
        table.add_column(heading, justify="right")
    table.add_row("合計 total", *_cells(one.total), end_section=True)
    for day, tally in one.by_date:
        table.add_row(roc_date(day), *_cells(tally))
    for code, tally in one.by_visit_type:
        table.add_row(type_label(code), *_cells(tally))
    console.print(table)
    verdict = words.QUALIFIED if one.qualified else words.NOT_QUALIFIED
    style = "bold green" if one.qualified else "bold red"
    console.print(Text(" ".join(verdict), style=style), soft_wrap=True)
    for zh, en in reasons(one):
        console.print(Text(f"  {zh} {en}"), soft_wrap=True)


def _cells(tally: Tally) -> tuple[str, ...]:
    percent = "–" if tally.percent is None else f"{tally.percent}%"
    figures = (f"{n:,}" for n in (tally.v1, tally.matched))
    return (*figures, percent, f"{tally.vpn:,}", f"{tally.web_api:,}")

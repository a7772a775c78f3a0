"""EDGE: reports as files in a folder, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pipeline.errors import ReportWriteError
from pipeline.report.precheck.comparison_json import institution_json
from pipeline.report.precheck.csv_files import (
    UNMATCHED_COLUMNS,
    UPLOAD_COLUMNS,
    empty_csv,
    unmatched_csv,
    uploads_csv,
)
from pipeline.report.precheck.pages import day_chart_svg, institution_page
from pipeline.report.precheck.reports import InstitutionReport
from rules.plan import Plan

PAGE, JSON, CHART = "precheck.html", "precheck.json", "precheck.svg"
UPLOADS, UNMATCHED = "uploads.csv", "unmatched.csv"


def report_files(report: InstitutionReport, plan: Plan) -> dict[str, bytes]:
    """Every file of one institution's report by name."""
    name = report.comparison.institution
    return {
        PAGE: institution_page(report, plan).encode(),
        CHART: day_chart_svg(report.comparison, plan).encode(),
        JSON: institution_json(report, plan),
        UPLOADS: csv_of(report.uploads, name, uploads=True),
        UNMATCHED: csv_of(report.unmatched, name, uploads=False),
    }


def csv_of(rows: pl.DataFrame, institution: str, *, uploads: bool) -> bytes:
    """One of the two CSV files of one institution."""
    if uploads:
        return uploads_csv(rows).get(institution) or empty_csv(UPLOAD_COLUMNS)
    return unmatched_csv(rows).get(institution) or empty_csv(UNMATCHED_COLUMNS)


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files so that each is there whole or as before. Raises ``ReportWriteError``."""
    with write_failures(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            partial = folder / f".{name}.part"
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(folder / name)


@contextmanager
def write_failures(folder: Path) -> Iterator[None]:
    """Say what to do when a folder of reports can't be written."""
    try:
        yield
    except OSError as error:
        raise ReportWriteError(
            f"報表資料夾 {folder} 無法寫入（{error.strerror}）。"
            "請清出磁碟空間或修正權限後再執行一次；原有的報表沒有變動",
            f"The folder of reports {folder} can't be written ({error.strerror}). Free disk space "
            "or mend the permissions and run again; the reports that were there are untouched",
        ) from error

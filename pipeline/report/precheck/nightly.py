"""EDGE: the reports of every institution and the country's summary, made in one run.

    Step 1  hold the folder, so that two runs do not meet
    Step 2  remove what an earlier run left unfinished
    Step 3  read and compare
    Step 4  write everything out of sight, under ``.DATE.part``
    Step 5  make it durable
    Step 6  rename it to ``DATE``: from here on it is there, whole
    Step 7  point ``latest`` at it

A run that is killed leaves nothing to be seen; run it again. A date that is there already is left
alone unless it is to be made again.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from filelock import FileLock, Timeout

from pipeline.comparison.country import Country, band_of
from pipeline.comparison.window import Window
from pipeline.errors import ReportWriteError
from pipeline.report.precheck.comparison_json import country_json, institution_json
from pipeline.report.precheck.csv_files import (
    UNMATCHED_COLUMNS,
    UPLOAD_COLUMNS,
    country_csv,
    empty_csv,
    unmatched_csv,
    uploads_csv,
)
from pipeline.report.precheck.folder import (
    JSON,
    PAGE,
    UNMATCHED,
    UPLOADS,
    write_failures,
)
from pipeline.report.precheck.pages import country_page, institution_page
from pipeline.report.precheck.reports import (
    InstitutionReport,
    compared_in,
    country_of,
    institution_reports,
)
from pipeline.report.precheck.week import Week, read_week
from rules.plan import Plan

LATEST: Final = "latest"
_PART, _OLD = ".part", ".old"
_WRITERS: Final = 2
_TOGETHER: Final = 1_500  # institutions whose CSV files are in memory at once
_EMPTY: Final = {UPLOADS: empty_csv(UPLOAD_COLUMNS), UNMATCHED: empty_csv(UNMATCHED_COLUMNS)}
_UNSAFE: Final = re.compile(r"[^0-9A-Za-z]")
_LINE_COLUMNS: Final = (
    "醫事機構代碼 institution", "1.0成功件數 v1", "2.0預檢成功件數 matched", "比率 percent",
    "比率 ratio", "VPN vpn", "Web-API web_api", "符合資格 qualified", "區間 band",
    "正式收下筆數 taken", "逾24小時 late", "急診逾1小時 late_emergencies", "依限比率 in_time",
)  # fmt: skip

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Nightly:
    """What a run came to. ``country`` is None where the date was there already."""

    folder: Path
    reports: int
    seconds: float
    country: Country | None


def make_nightly(
    store_uri: str,
    window: Window,
    out: Path,
    plan: Plan,
    *,
    pages: bool = False,
    again: bool = False,
    progress: Progress = lambda _: None,
) -> Nightly:
    """Make the reports of a date under ``out``; ``pages`` writes every institution's HTML too.

    Raises ``ReportWriteError`` and ``StoreUnusableError``; nothing is then to be seen of the run.
    """
    started = time.monotonic()
    name = window.as_of.isoformat()
    with _held(out):  # Step 1
        with write_failures(out):
            _sweep(out)  # Step 2
        if (out / name).exists() and not again:
            return Nightly(out / name, 0, time.monotonic() - started, None)
        progress("讀取與比對 reading and comparing")
        week = read_week(store_uri, window)  # Step 3
        progress("寫出 writing")
        with write_failures(out):
            part = out / f".{name}{_PART}"
            country, reports = _write(week, part, plan, pages=pages)  # Step 4
            os.sync()  # Step 5: one for all of some 100,000 files
            _publish(part, out / name)  # Steps 6 and 7
    return Nightly(out / name, reports, time.monotonic() - started, country)


def _sweep(out: Path) -> None:
    """Remove what was not finished, and bring back what was to be replaced and was not."""
    for part in out.glob(f".*{_PART}"):
        shutil.rmtree(part)
    for old in out.glob(f".*{_OLD}"):
        before = old.with_name(old.name.removeprefix(".").removesuffix(_OLD))
        if before.exists():
            shutil.rmtree(old)
        else:
            old.rename(before)


def _write(week: Week, part: Path, plan: Plan, *, pages: bool) -> tuple[Country, int]:
    """Write everything into a folder that is not there yet."""
    compared = compared_in(week)
    country = country_of(week, compared)
    reports = list(institution_reports(week, compared))
    institutions = part / "institutions"
    institutions.mkdir(parents=True)
    for start in range(0, len(reports), _TOGETHER):
        _write_group(institutions, reports[start : start + _TOGETHER], week, plan, pages=pages)
    (part / "country.json").write_bytes(country_json(country, plan))
    (part / "country.html").write_text(country_page(country, plan), encoding="utf-8")
    (part / "institutions.csv").write_bytes(country_csv(_lines(reports)))
    return country, len(reports)


def _write_group(
    folder: Path, group: list[InstitutionReport], week: Week, plan: Plan, *, pages: bool
) -> None:
    """Write the reports of institutions that stand next to each other."""
    first, last = group[0].comparison.institution, group[-1].comparison.institution
    among = pl.col("institution").is_between(pl.lit(first), pl.lit(last))
    texts = {
        UPLOADS: uploads_csv(week.uploads.filter(among)),
        UNMATCHED: unmatched_csv(week.unmatched.filter(among)),
    }

    def write(report: InstitutionReport) -> None:
        name = report.comparison.institution
        files = {JSON: institution_json(report, plan)}
        files |= {file: texts[file].get(name) or _EMPTY[file] for file in texts}
        if pages:
            files[PAGE] = institution_page(report, plan).encode()
        _put(f"{folder}/{_folder_name(name)}", files)

    with ThreadPoolExecutor(_WRITERS) as pool:  # making a file waits for the disk
        for _ in pool.map(write, group):
            pass


def _put(folder: str, files: dict[str, bytes]) -> None:
    os.mkdir(folder)
    for name, data in files.items():
        with open(f"{folder}/{name}", "xb") as file:
            file.write(data)


def _folder_name(institution: str) -> str:
    """An institution's code, which is a sender's own text: nothing but letters and digits."""
    return _UNSAFE.sub(lambda found: f"_{ord(found[0]):x}_", institution) or "_"


def _lines(reports: list[InstitutionReport]) -> pl.DataFrame:
    """One row an institution, for the country's list."""
    return pl.DataFrame(
        [_line(report) for report in reports],
        schema=dict.fromkeys(_LINE_COLUMNS, pl.String),
        orient="row",
    )


def _line(report: InstitutionReport) -> tuple[str, ...]:
    one, total, prompt = report.comparison, report.comparison.total, report.promptness
    values = (
        one.institution, total.v1, total.matched, total.percent, _ratio(total.ratio), total.vpn,
        total.web_api, int(one.qualified), band_of(total) if total.v1 else None, prompt.taken,
        prompt.late, prompt.late_emergencies, _ratio(prompt.ratio),
    )  # fmt: skip
    return tuple("" if value is None else str(value) for value in values)


def _ratio(share: float | None) -> str | None:
    return None if share is None else f"{share:.5f}"


def _publish(part: Path, folder: Path) -> None:
    """Let a finished folder be seen, in place of one of the same date."""
    before = folder.with_name(f".{folder.name}{_OLD}")
    if folder.exists():
        folder.rename(before)
    part.rename(folder)  # Step 6
    link = folder.with_name(f".{LATEST}")
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(folder.with_name(LATEST))  # Step 7
    if before.exists():
        shutil.rmtree(before)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold a folder of nightly reports. Raises ``ReportWriteError`` where another run does."""
    lock = FileLock(out / ".lock")
    try:
        with write_failures(out):
            out.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout:
        raise ReportWriteError(
            f"另一個程序正在 {out} 製作報表，請等它結束後再執行",
            f"Another process is making reports in {out}; run again when it has finished",
        ) from None
    try:
        yield
    finally:
        lock.release()

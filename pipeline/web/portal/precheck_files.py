"""The two CSV files that go with a comparison, for the institution itself: ids in clear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pipeline.accounts.who import Who
from pipeline.comparison.window import roc_date
from pipeline.report.encrypted import encrypted_zip
from pipeline.report.precheck.folder import csv_of
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.web.downloads import Download, EncryptedDownload
from pipeline.web.house import House
from pipeline.web.problems import not_found
from pipeline.web.zip_passwords import zip_password

FileName = Literal["uploads.csv", "unmatched.csv"]
FILES: Final[dict[FileName, tuple[str, str]]] = {
    "uploads.csv": ("上傳結果清單", "Results of uploads"),
    "unmatched.csv": ("1.0 比對不到 2.0 的清單", "1.0 visits without a pre-check"),
}
_MEDIA_TYPE: Final = "text/csv; charset=utf-8"


@dataclass(frozen=True)
class Listed:
    """A file as a page offers it."""

    name: FileName
    zh: str
    en: str
    rows: int


def listed(report: InstitutionReport, name: FileName) -> Listed:
    """One of the files."""
    rows = report.uploads if name == "uploads.csv" else report.unmatched
    return Listed(name, *FILES[name], rows.height)


def precheck_file(house: House, who: Who, report: InstitutionReport, name: FileName) -> Download:
    """One of the files. Raises ``Problem`` 404 for whoever is not of the institution."""
    _check_own(who, report)
    _log(house, who, report, {"file": name, "encrypted": False})
    return Download(f"{_stem(report)}-{name}", _MEDIA_TYPE, _csv(report, name))


def precheck_zip(
    house: House, who: Who, report: InstitutionReport, password: str, moment: datetime
) -> EncryptedDownload:
    """Both in an AES zip, under a password that is strong enough.

    Raises ``WeakPasswordError``, and ``Problem`` 404 for whoever is not of the institution.
    """
    _check_own(who, report)
    opens = zip_password(password, house.settings, (who.name, report.comparison.institution))
    inside = {f"{_stem(report)}-{name}": _csv(report, name) for name in FILES}
    packed = encrypted_zip(inside, opens.text, moment)
    _log(house, who, report, {"file": "both", "encrypted": True, "password": opens.kind})
    return EncryptedDownload(f"{_stem(report)}.zip", "application/zip", packed, opens)


def _check_own(who: Who, report: InstitutionReport) -> None:
    if not who.owns(report.comparison.institution):
        raise not_found()


def _csv(report: InstitutionReport, name: FileName) -> bytes:
    rows = report.uploads if name == "uploads.csv" else report.unmatched
    return csv_of(rows, report.comparison.institution, uploads=name == "uploads.csv")


def _stem(report: InstitutionReport) -> str:
    one = report.comparison
    return f"precheck-{one.institution}-{roc_date(one.window.as_of)}"


def _log(house: House, who: Who, report: InstitutionReport, detail: dict[str, object]) -> None:
    one = report.comparison
    told = {"as_of": one.window.as_of.isoformat(), **detail}
    house.accounts.audit.append(who.id, "download", "precheck", one.institution, told)

"""The pre-check report of one institution, from tables to files."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparison_rows import Row, visits
from report_store import finding, make_store, upload

from pipeline.cli import main
from pipeline.comparison.results import LATE_RULES
from pipeline.merge.duty import LATE, LATE_EMERGENCY
from pipeline.report.precheck.charts import dot_chart, percent

HERE, OTHER = "3500000001", "3500000002"
DAYS = {date(2024, 3, 14): 3, date(2024, 3, 15): 2}


def as_precheck(row: Row, sequence: int, **changed: object) -> Row:
    values = {**vars(row), "visit_key": f"P{row.visit_key}", "sequence": sequence, **changed}
    return Row(**values)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Five visits: two matched by Web-API, one by VPN, one of another type, one not sent."""
    v1 = [r for day, count in DAYS.items() for r in visits(HERE, day, "01", count)]
    elsewhere = visits(OTHER, date(2024, 3, 14), "AA", 4)
    outside = [
        *visits(HERE, date(2024, 3, 13), "01", 1),
        *visits(HERE, date(2024, 3, 21), "01", 1),
    ]
    prechecked = [
        as_precheck(v1[0], 10),
        as_precheck(v1[1], 10),
        as_precheck(v1[2], 11, vpn=True),
        as_precheck(v1[3], 10, type="AA", record=40),
        *(as_precheck(row, 12) for row in elsewhere),
    ]
    found = [
        finding("upload-10", HERE, "AA"),
        finding("upload-10", HERE, "AA", record=2),
        finding("upload-10", HERE, "D051", severity="warn"),
        finding("upload-12", OTHER, "BE"),
    ]
    return make_store(tmp_path / "store", [*v1, *elsewhere, *outside], prechecked, findings=found)


def report(store: Path, out: Path, institution: str = HERE) -> dict[str, object]:
    arguments = ["report", "precheck", "--store", str(store), "--institution", institution]
    assert main([*arguments, "--as-of", "2024-03-21", "--out", str(out)]) == 0
    told = json.loads((out / "precheck.json").read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    return told


def rows_of(path: Path) -> list[list[str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_json_has_what_the_contract_says(store: Path, tmp_path: Path) -> None:
    told = report(store, tmp_path / "out")
    assert (told["institution"], told["as_of"]) == (HERE, "2024-03-21")
    assert (told["from"], told["to"]) == ("2024-03-14", "2024-03-20")
    assert told["total"] == {
        "v1": 5, "matched": 3, "percent": 60, "ratio": 0.6, "vpn": 1, "web_api": 2,
    }  # fmt: skip
    assert told["by_date"] == [
        {"date": "1130314", "v1": 3, "matched": 3, "percent": 100, "ratio": 1.0, "vpn": 1,
         "web_api": 2},
        {"date": "1130315", "v1": 2, "matched": 0, "percent": 0, "ratio": 0.0, "vpn": 0,
         "web_api": 0},
    ]  # fmt: skip
    assert told["by_visit_type"] == [
        {"code": "01", "name": "西醫門診", "v1": 5, "matched": 3, "percent": 60, "ratio": 0.6,
         "vpn": 1, "web_api": 2},
    ]  # fmt: skip
    assert told["qualified"] is False
    assert told["unmatched"] == {
        "count": 2,
        "differs": [{"keys": [], "count": 1}, {"keys": ["type"], "count": 1}],
    }
    findings = told["top_findings"]
    assert isinstance(findings, list)
    assert [(f["code"], f["count"]) for f in findings] == [("AA", 2), ("D051", 1)]


def test_another_institution_is_another_report(store: Path, tmp_path: Path) -> None:
    told = report(store, tmp_path / "out", OTHER)
    assert told["qualified"] is True
    assert told["total"] == {
        "v1": 4, "matched": 4, "percent": 100, "ratio": 1.0, "vpn": 0, "web_api": 4,
    }  # fmt: skip


def test_an_institution_without_any_visit_is_told_so(store: Path, tmp_path: Path) -> None:
    told = report(store, tmp_path / "out", "3500000009")
    assert told["total"] == {
        "v1": 0, "matched": 0, "percent": None, "ratio": None, "vpn": 0, "web_api": 0,
    }  # fmt: skip
    assert told["qualified"] is False
    page = (tmp_path / "out" / "precheck.html").read_text(encoding="utf-8")
    assert "期間內沒有1.0上傳成功資料" in page
    assert len(rows_of(tmp_path / "out" / "unmatched.csv")) == 1


def test_unmatched_list_tells_nearest_and_what_differs(store: Path, tmp_path: Path) -> None:
    report(store, tmp_path / "out")
    header, *rows = rows_of(tmp_path / "out" / "unmatched.csv")
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(r["A23 就醫類別"], r["不同欄位 differs"]) for r in found] == [
        ("01", "type"),
        ("01", ""),
    ]
    near, none = found
    assert near["A12 身分證號"] == near["最接近的M03 身分證號"] == "A100000000"
    assert (near["最接近的M07 就醫類別"], near["2.0筆數 precheck_record"]) == ("AA", "40")
    assert near["說明 explanation"].startswith("就醫類別(A23/M07)不同")
    assert none["最接近的M03 身分證號"] == ""
    assert none["說明 explanation"].startswith("找不到對應的2.0預檢")


def test_csv_is_for_spreadsheets_and_runs_nothing(tmp_path: Path) -> None:
    bad = Row(HERE, "K", 1, 1, date(2024, 3, 14), "=1+1", "0820101", "1130314080000", '@a,"b"')
    sent = as_precheck(bad, 10, id="+cmd", record=2)
    store = make_store(tmp_path / "store", [bad], [sent])
    report(store, tmp_path / "out")
    raw = (tmp_path / "out" / "unmatched.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2
    header, row = rows_of(tmp_path / "out" / "unmatched.csv")
    told = dict(zip(header, row, strict=True))
    assert told["A12 身分證號"] == "'=1+1"
    assert told["A23 就醫類別"] == '\'@a,"b"'
    assert told["最接近的M03 身分證號"] == "'+cmd"
    assert [cell for cell in row if cell[:1] in ("=", "+", "-", "@")] == []


def test_ids_are_clear_in_the_csv_only(store: Path, tmp_path: Path) -> None:
    report(store, tmp_path / "out")
    person = re.compile(rb"A1\d{8}|0820101")
    shown = {path.name for path in (tmp_path / "out").iterdir() if person.search(path.read_bytes())}
    assert shown == {"unmatched.csv"}


def test_page_is_whole_by_itself_and_speaks_the_document(store: Path, tmp_path: Path) -> None:
    report(store, tmp_path / "out")
    page = (tmp_path / "out" / "precheck.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="|url\(|@import', page) == []
    assert 'lang="zh-Hant-TW"' in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    for said in (
        "健保卡2.0預檢比對健保卡1.0統計報表", "尚未符合改版資格", "1.0上傳成功資料件數(A)",
        "對應1.0成功資料之2.0預檢成功件數(B)", "就醫日期(過卡日期)合計", "就醫類別合計",
        "01-西醫門診", "1130314", "僅限使用「Web API」路徑", "有 1 件預檢以VPN上傳",
    ):  # fmt: skip
        assert said in page, said
    assert page.count("<svg") == page.count('role="img"') == 3
    headings = re.findall(r"<h([1-6])", page)
    assert headings.count("1") == 1
    ready = tmp_path / "ready"
    report(store, ready, OTHER)
    assert "已符合改版資格" in (ready / "precheck.html").read_text(encoding="utf-8")


def test_chart_file_is_well_formed(store: Path, tmp_path: Path) -> None:
    report(store, tmp_path / "out")
    drawing = ElementTree.parse(tmp_path / "out" / "precheck.svg").getroot()
    assert drawing.tag.endswith("svg")
    assert len(drawing.findall("{*}circle")) == len(DAYS)


def test_what_is_just_short_of_all_never_reads_100() -> None:
    assert [percent(s) for s in (1.0, 0.99999, 0.9996, 0.9951, 0.5, 0.0)] == [
        "100%", "99.999%", "99.96%", "99.5%", "50%", "0%",
    ]  # fmt: skip


@pytest.mark.parametrize("shares", [[0.2, 1.0], [0.995, 0.9999], [1.0, 1.0], [0.0]])
def test_dots_lie_within_the_chart(shares: list[float]) -> None:
    chart = dot_chart([(str(n), share) for n, share in enumerate(shares)])
    for dot, share in zip(chart.dots, shares, strict=True):
        assert 0 < dot.y < chart.height
        assert chart.left < dot.x < chart.right
        assert (dot.y > chart.threshold + 1e-9) == (share < 0.995)


def test_late_rules_are_those_of_the_duty() -> None:
    assert LATE_RULES == (LATE, LATE_EMERGENCY)


def test_uploads_are_told_with_their_results(tmp_path: Path) -> None:
    uploads = [
        upload("U1", HERE, 1, version="1.0", mode="official", channel="vpn", records=2,
               records_accepted=2),
        upload("U2", HERE, 2, records=3, records_accepted=2, records_rejected=1, orders=9,
               orders_accepted=9),
        upload("U3", HERE, 3, status="refused", refusal_code="Y007"),
        upload("U4", HERE, 4, redelivery_of="U1"),
        upload("U5", OTHER, 5),
    ]  # fmt: skip
    store = make_store(tmp_path / "store", uploads=uploads, findings=[finding("U2", HERE, "AA")])
    told = report(store, tmp_path / "out")
    assert told["uploads"] == 3
    header, *rows = rows_of(tmp_path / "out" / "uploads.csv")
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [r["上傳識別碼 upload_id"] for r in found] == ["U3", "U2", "U1"]
    assert [r["檢核結果 result"] for r in found] == [
        "nhi-upload receipt U3", "nhi-upload receipt U2", "檢核無誤 no errors",
    ]  # fmt: skip
    assert found[1]["錯誤代碼 codes"] == "AA×1"
    assert found[0]["接收日期時間 received_at"] == "113/03/20 21:00:00"
    assert (found[2]["格式 version"], found[2]["上傳方式 channel"]) == ("1.0", "VPN")

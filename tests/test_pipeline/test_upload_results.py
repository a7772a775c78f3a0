"""``report results``: what became of uploads, over days, and whether they came in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from report_store import finding, make_store, upload

from pipeline.cli import main
from pipeline.comparison.results import LATE_RULES

HERE = "3500000001"


def at(day: int, hour: int, minute: int) -> datetime:
    """A moment of March 2024 in Taipei."""
    return datetime(2024, 3, day, hour - 8, minute, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The list that document 001 shows, an upload of another day, and one that is redelivered."""
    shown = [
        (20, 21, 0, 1, 1, 5), (20, 20, 55, 56, 56, 274), (19, 20, 57, 55, 54, 277),
        (18, 20, 55, 62, 62, 322), (17, 11, 56, 36, 36, 184), (16, 21, 0, 77, 77, 394),
    ]  # fmt: skip
    uploads = [
        upload(f"U{number}", HERE, 20 - number, mode="official", received_at=at(*moment),
               records=records, records_accepted=valid, records_rejected=records - valid,
               orders=orders, orders_accepted=orders)
        for number, (*moment, records, valid, orders) in enumerate(shown, start=1)
    ]  # fmt: skip
    uploads.append(upload("U0", HERE, 1, mode="official", received_at=at(15, 23, 59), records=9))
    uploads.append(upload("R", HERE, 30, received_at=at(18, 9, 0), redelivery_of="U4"))
    found = [
        finding("U3", HERE, "AA"),
        finding("U6", HERE, "Z010", severity="warn", rule=LATE_RULES[0]),
        finding("U6", HERE, "Z011", severity="warn", rule=LATE_RULES[1], record=2),
    ]
    return make_store(tmp_path / "store", uploads=uploads, findings=found)


def results(store: Path, capfdbinary: pytest.CaptureFixture[bytes], shape: str) -> str:
    arguments = ["report", "results", "--store", str(store), "--institution", HERE]
    days = ["--from", "2024-03-16", "--to", "2024-03-20", "--format", shape]
    assert main([*arguments, *days]) == 0
    return capfdbinary.readouterr().out.decode("utf-8-sig")


def test_json_is_the_list_of_the_document(
    store: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    *lines, last = map(json.loads, results(store, capfdbinary, "json").splitlines())
    counts = ("records", "records_accepted", "orders", "orders_accepted", "records_rejected",
              "orders_rejected")  # fmt: skip
    assert [tuple(line[name] for name in counts) for line in lines] == [
        (1, 1, 5, 5, 0, 0), (56, 56, 274, 274, 0, 0), (55, 54, 277, 277, 1, 0),
        (62, 62, 322, 322, 0, 0), (36, 36, 184, 184, 0, 0), (77, 77, 394, 394, 0, 0),
    ]  # fmt: skip
    assert [line["upload_id"] for line in lines] == ["U1", "U2", "U3", "U4", "U5", "U6"]
    assert last["uploads"] == 6
    assert (last["records"], last["records_accepted"]) == (287, 286)
    assert last["within_24_hours"] == {
        "taken": 286, "late": 1, "late_emergencies": 1, "ratio": round(284 / 286, 5),
    }  # fmt: skip


def test_screen_says_no_errors_or_how_to_download(
    store: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    shown = results(store, capfdbinary, "text")
    lines = {line.split()[0]: line for line in shown.splitlines() if line.split()[0].isdigit()}
    assert "檢核無誤" in lines["1"]
    assert "113/03/20 21:00" in lines["1"]
    assert "下載 U3" in lines["3"]
    assert "下載 U6" in lines["6"]  # warned only, yet there is something to read
    assert lines["3"].split()[6:12] == ["55", "54", "277", "277", "1", "0"]
    assert "99.30%" in shown


def test_a_narrow_screen_cuts_no_heading_and_no_figure(
    store: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = results(store, capfdbinary, "text")
    monkeypatch.setattr("pipeline.cli.console._FILE_WIDTH", 50)
    assert results(store, capfdbinary, "text") == wide
    assert "…" not in wide


def test_csv_has_a_row_an_upload(store: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    header, *rows = results(store, capfdbinary, "csv").splitlines()
    assert header.startswith("序號 no,上傳識別碼 upload_id,接收日期時間 received_at")
    assert len(rows) == 6


def test_days_without_uploads_say_so(
    store: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    arguments = ["report", "results", "--store", str(store), "--institution", "3500000009"]
    assert main([*arguments, "--from", "2024-03-16", "--to", "2024-03-20"]) == 0
    assert "這段期間沒有上傳" in capfdbinary.readouterr().out.decode()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from", "2024-03-20", "--to", "2024-03-16"], 64),
        (["--from", "20/3/2024"], 64),
    ],
)
def test_wrong_dates_are_wrong_usage(store: Path, arguments: list[str], code: int) -> None:
    asked = ["report", "results", "--store", str(store), "--institution", HERE]
    assert main([*asked, *arguments]) == code


def test_no_store_is_a_fault_that_says_what_to_do(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    asked = ["report", "results", "--store", str(tmp_path / "none"), "--institution", HERE]
    assert main(asked) == 70
    assert "--store" in capfdbinary.readouterr().err.decode()

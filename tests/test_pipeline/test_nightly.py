"""``report nightly``: the same figures for everybody, and a folder that is whole or not there."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from comparison_rows import Row, visits
from filelock import FileLock
from report_store import finding, make_store

from pipeline.cli import main
from pipeline.comparison.country import BANDS, band_of
from pipeline.comparison.tally import Tally
from pipeline.comparison.window import Window
from pipeline.report.precheck import nightly
from pipeline.report.precheck.nightly import make_nightly
from rules import load_plan

READY, BEHIND, VPN, NOT_BEGUN = "3500000001", "3500000002", "3500000003", "3500000004"
AS_OF = Window(date(2024, 3, 21))


def rows_of_country() -> tuple[list[Row], list[Row]]:
    v1, prechecked = list[Row](), list[Row]()
    for place, (name, sent, vpn) in enumerate(
        ((READY, 10, False), (BEHIND, 7, False), (VPN, 10, True), (NOT_BEGUN, 0, False))
    ):
        for day in (date(2024, 3, 14), date(2024, 3, 20)):
            rows = visits(name, day, "01", 10, start=place * 100)
            v1 += [_keyed(row, name) for row in rows]
            prechecked += [
                _keyed(Row(**{**vars(row), "sequence": 10 + place, "vpn": vpn}), f"P{name}")
                for row in rows[:sent]
            ]
    return v1, prechecked


def _keyed(row: Row, name: str) -> Row:
    return Row(**{**vars(row), "visit_key": f"{name}-{row.visit_key}"})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    v1, prechecked = rows_of_country()
    found = [finding(f"upload-{10 + n}", name, "AA") for n, name in enumerate((READY, BEHIND))]
    return make_store(tmp_path / "store", v1, prechecked, findings=[*found, *found[:1]])


def run(store: Path, out: Path, *more: str) -> int:
    asked = ["report", "nightly", "--store", str(store), "--out", str(out)]
    return main([*asked, "--as-of", "2024-03-21", *more])


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_country_and_every_institution(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(store, out) == 0
    country = json.loads((out / "latest" / "country.json").read_text(encoding="utf-8"))
    assert country["institutions"] == 4
    assert country["qualified"] == 1
    assert {b: n for b, n in country["bands"].items() if n} == {
        "qualified": 1, "by_vpn": 1, "50_79": 1, "not_begun": 1,
    }  # fmt: skip
    assert (country["total"]["v1"], country["total"]["matched"]) == (80, 54)
    assert [one["institution"] for one in country["laggards"]] == [NOT_BEGUN, BEHIND, VPN]
    assert [(c["code"], c["count"]) for c in country["worst_codes"]] == [("AA", 3)]
    lines = (out / "latest" / "institutions.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[:4] for line in lines[1:]] == [
        [READY, "20", "20", "100"], [BEHIND, "20", "14", "70"], [VPN, "20", "20", "100"],
        [NOT_BEGUN, "20", "0", "0"],
    ]  # fmt: skip


def test_each_institution_gets_what_it_gets_alone(store: Path, tmp_path: Path) -> None:
    assert run(store, tmp_path / "out", "--html") == 0
    for name in (READY, BEHIND, VPN, NOT_BEGUN):
        alone = tmp_path / name
        asked = ["report", "precheck", "--store", str(store), "--institution", name]
        assert main([*asked, "--as-of", "2024-03-21", "--out", str(alone)]) == 0
        together = everything(tmp_path / "out" / "2024-03-21" / "institutions" / name)
        assert together == {k: v for k, v in everything(alone).items() if not k.endswith(".svg")}


def test_country_shows_nobodys_id(store: Path, tmp_path: Path) -> None:
    assert run(store, tmp_path / "out") == 0
    latest = tmp_path / "out" / "latest"
    for path in (p for p in latest.iterdir() if p.is_file()):
        assert not re.search(rb"A1\d{8}", path.read_bytes()), path.name
    page = (latest / "country.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<svg") == page.count('role="img"') == 4
    assert NOT_BEGUN in page


def test_a_date_is_made_once_and_again_when_asked(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(store, out) == 0
    first = everything(out / "2024-03-21")
    (out / "2024-03-21" / "country.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert run(store, out, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["made"] is False
    assert (out / "2024-03-21" / "country.json").read_text(encoding="utf-8") == "{}"
    assert run(store, out, "--again") == 0
    assert everything(out / "2024-03-21") == first
    assert sorted(p.name for p in out.iterdir()) == [".lock", "2024-03-21", "latest"]


def test_a_run_that_dies_is_not_seen_and_the_next_one_is_whole(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, plan = tmp_path / "out", load_plan()
    with monkeypatch.context() as patched:
        patched.setattr(nightly, "_lines", _die)
        with pytest.raises(RuntimeError):
            make_nightly(str(store), AS_OF, out, plan)
    assert not (out / "2024-03-21").exists()
    assert not (out / "latest").exists()
    made = make_nightly(str(store), AS_OF, out, plan)
    assert made.reports == 4
    assert sorted(p.name for p in out.iterdir()) == [".lock", "2024-03-21", "latest"]


def test_a_swap_that_was_cut_short_gives_the_old_reports_back(store: Path, tmp_path: Path) -> None:
    out, plan = tmp_path / "out", load_plan()
    make_nightly(str(store), AS_OF, out, plan)
    before = everything(out / "2024-03-21")
    (out / "2024-03-21").rename(out / ".2024-03-21.old")
    made = make_nightly(str(store), AS_OF, out, plan)
    assert made.country is None
    assert everything(out / "2024-03-21") == before


def _die(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


def test_two_runs_do_not_meet(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"):
        assert run(store, out) == 70
    assert run(store, out) == 0


def test_a_folder_that_cannot_be_written_is_told(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(store, tmp_path / "file" / "out") == 70
    assert "無法寫入" in capsys.readouterr().err


def test_metrics_are_a_textfile(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "nightly.prom"
    assert run(store, tmp_path / "out", "--metrics", str(path)) == 0
    values = dict(
        line.rsplit(" ", 1)
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    assert float(values["nhi_upload_nightly_v1_records"]) == 80
    assert float(values["nhi_upload_nightly_reports"]) == 4
    assert float(values['nhi_upload_nightly_institutions{band="qualified"}']) == 1
    assert float(values["nhi_upload_nightly_as_of_days"]) == 19_803
    assert float(values["nhi_upload_nightly_last_success_timestamp_seconds"]) > 1_600_000_000
    written = path.read_text()
    assert run(store, tmp_path / "out", "--metrics", str(path)) == 0  # there already
    assert path.read_text() == written


def test_metrics_that_can_not_be_written_are_not_told_as_missing_reports(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(store, tmp_path / "out", "--metrics", str(tmp_path / "file" / "x.prom")) == 70
    said = capsys.readouterr().err
    assert "報表已完成" in said
    assert "x.prom" in said
    assert (tmp_path / "out" / "latest").exists()


@pytest.mark.parametrize(
    ("tally", "band"),
    [
        (Tally(1000, 995), "qualified"), (Tally(1000, 1000, 1), "by_vpn"),
        (Tally(1000, 994), "95_99"), (Tally(1000, 945), "95_99"), (Tally(1000, 944), "80_94"),
        (Tally(1000, 500), "50_79"), (Tally(1000, 494), "1_49"), (Tally(1000, 1), "1_49"),
        (Tally(1000, 0), "not_begun"),
    ],
)  # fmt: skip
def test_bands(tally: Tally, band: str) -> None:
    assert band_of(tally) == band
    assert band in BANDS

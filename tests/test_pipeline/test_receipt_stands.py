"""What a receipt says under a rejected correction: which version stands."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import orjson
import polars as pl
import pytest
from rich.console import Console
from visit_records import HOSPITAL, PERSON, SOMEBODY_ELSE, moment, upload, visit

from pipeline.cli import main
from pipeline.cli.stored import answer_from_store
from pipeline.outcome import Standing
from pipeline.report.screen import show
from pipeline.settings import read_settings

AS_OF = "2025-12-20T21:00:00+08:00"
MORNING = moment("2025-12-20T09:30:00")
VISIT, OTHER = (visit(HOSPITAL, who, MORNING) for who in (PERSON, SOMEBODY_ELSE))

Out = pytest.CaptureFixture[bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that took two visits, then a faulty correction of the second."""
    folder = tmp_path_factory.mktemp("stands")
    for name, records in (
        ("first", (OTHER, VISIT)),
        ("second", (visit(HOSPITAL, PERSON, MORNING + 1), VISIT.broken())),
    ):
        (folder / f"{name}.xml").write_bytes(upload(records))
        where = ("--store", str(folder / "s"), "--receipts", str(folder / "r"))
        assert main(["run", str(folder / f"{name}.xml"), "--received-at", AS_OF, *where]) == 0
    return folder


def upload_id(folder: Path, name: str) -> str:
    rows = pl.read_delta(str(folder / "s/tables/uploads")).filter(name=f"{name}.xml")
    return str(rows["upload_id"][0])


def receipt(out: Out, folder: Path, shape: str) -> bytes:
    out.readouterr()
    asked = ["receipt", upload_id(folder, "second"), "--store", str(folder / "s")]
    assert main([*asked, "--format", shape]) == 0
    return out.readouterr().out


@pytest.mark.parametrize(("shape", "suffix"), [("text", "txt"), ("csv", "csv")])
def test_the_stored_receipt_is_the_first_one(
    capsysbinary: Out, folder: Path, shape: str, suffix: str
) -> None:
    (file,) = (folder / "r").glob(f"second-*.{suffix}")
    assert receipt(capsysbinary, folder, shape) == file.read_bytes()


def test_the_text_says_so_above_the_findings(capsysbinary: Out, folder: Path) -> None:
    text = receipt(capsysbinary, folder, "text").decode("cp950")
    block = text.split("=" * 75 + "\r\n")[1]
    before, _, reasons = block.partition("錯誤原因:")
    first = upload_id(folder, "first")
    assert f"\r\n先前上傳的紀錄（上傳編號 {first}，第 2 筆）仍然有效\r\n" in before
    assert before.startswith("第[2]筆\r\n")
    packed = re.sub(r"\s", "", reasons)
    assert set(re.findall(r"([^:;]+):([0-9A-Z]+);", packed)) >= {("M15", "Z014")}
    assert re.sub(r"[^:;\[\]]+(\[[0-9]+\])?:[0-9A-Z]+;", "", packed) == ""


def test_the_csv_names_the_version(capsysbinary: Out, folder: Path) -> None:
    text = receipt(capsysbinary, folder, "csv").decode("utf-8-sig")
    (row,) = (r for r in csv.DictReader(io.StringIO(text)) if r["code"] == "Z014")
    first = upload_id(folder, "first")
    assert f"上傳編號 {first}，第 2 筆）仍然有效" in row["message"]
    assert f"(upload {first}, record 2) stands" in row["message"]


def test_the_json_names_the_version(capsysbinary: Out, folder: Path) -> None:
    answer = orjson.loads(receipt(capsysbinary, folder, "json"))
    stands = {f["code"]: f.get("stands") for f in answer["findings"]}
    assert stands.pop("Z014") == {"upload_id": upload_id(folder, "first"), "record": 2}
    assert set(stands.values()) == {None}


def test_the_screen_names_the_version(folder: Path) -> None:
    answer = answer_from_store(str(folder / "s"), upload_id(folder, "second"), read_settings())
    (stands,) = (f.stands for f in answer.findings if f.stands)
    assert stands == Standing(upload_id(folder, "first"), 2)
    said = io.StringIO()
    show(answer, Console(file=said, width=300))
    assert f"（上傳編號 {stands.upload_id}，第 2 筆）仍然有效" in said.getvalue()


def test_the_row_of_findings_names_the_version(folder: Path) -> None:
    rows = pl.read_delta(str(folder / "s/tables/findings")).filter(code="Z014")
    assert rows["stands_upload_id"].to_list() == [upload_id(folder, "first")]
    assert rows["stands_record"].to_list() == [2]

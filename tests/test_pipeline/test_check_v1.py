"""``nhi-upload check`` on uploads in format 1.0, beside those in 2.0."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import orjson
import pytest

from pipeline.cli import main

FIXTURES = Path(__file__).parents[1] / "fixtures"
V1 = FIXTURES / "samples_v1"
V2_SAMPLE = FIXTURES / "samples" / "01_cm_clinic_normal_A.xml"
DUAL_TRACK, SINGLE_TRACK = "2024-03-20T21:00", "2024-09-01T00:00"

Out = pytest.CaptureFixture[bytes]


def answers(capsysbinary: Out, *arguments: str) -> list[dict]:
    main(["check", "--format", "json", *arguments])
    return [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


def test_samples_are_answered_as_they_say(capsysbinary: Out) -> None:
    paths = sorted(V1.glob("*.xml"))
    said = answers(capsysbinary, *map(str, paths), "--as-of", DUAL_TRACK)
    found = [
        (a["upload"], str(f["record"]), str(f["order"] or ""), f["field"], f["code"])
        for a in said
        for f in a["findings"]
    ]
    found += [(a["upload"], "", "", "", a["refusal"]["code"]) for a in said if a["refusal"]]
    rows = csv.DictReader((V1 / "expected.csv").read_text().splitlines())
    assert found == [tuple(row.values()) for row in rows]
    assert [a["upload"] for a in said] == [path.name for path in paths]
    assert [a["parser"] for a in said] == ["fast"] * 5 + ["lxml"]


@pytest.mark.parametrize("parser", ["fast", "lxml"])
def test_both_parsers_say_the_same(parser: str, capsysbinary: Out) -> None:
    paths = [str(path) for path in sorted(V1.glob("0[1-5]*.xml"))]
    said = answers(capsysbinary, *paths, "--as-of", DUAL_TRACK, "--parser", parser)
    auto = answers(capsysbinary, *paths, "--as-of", DUAL_TRACK)
    assert [s | {"parser": ""} for s in said] == [a | {"parser": ""} for a in auto]


def test_formats_side_by_side_keep_their_order(capsysbinary: Out) -> None:
    one, two = str(V1 / "01_normal.xml"), str(V2_SAMPLE)
    said = answers(capsysbinary, two, one, two, one, "--as-of", DUAL_TRACK)
    assert [a["upload"] for a in said] == [V2_SAMPLE.name, "01_normal.xml"] * 2
    assert said[0]["plan"] == said[2]["plan"] != said[1]["plan"] == said[3]["plan"]


def test_format_1_is_refused_from_the_single_track_on(capsysbinary: Out) -> None:
    files = [str(V1 / "01_normal.xml"), str(V1 / "02_abnormal.xml")]
    assert main(["check", *files, "--as-of", SINGLE_TRACK]) == 2
    capsysbinary.readouterr()
    said = answers(capsysbinary, *files, "--as-of", SINGLE_TRACK)
    assert [a["refusal"]["code"] for a in said] == ["Y000", "Y000"]
    assert [a["counts"]["records"] for a in said] == [0, 0]
    said = answers(capsysbinary, *files, "--as-of", "2024-08-31T23:59:59")
    assert "Y000" not in {a["refusal"] and a["refusal"]["code"] for a in said}


def test_format_1_is_refused_once_the_institution_is_live(
    tmp_path: Path, capsysbinary: Out
) -> None:
    table = tmp_path / "go_live.csv"
    arguments = [str(V1 / "01_normal.xml"), "--as-of", DUAL_TRACK, "--reference", str(tmp_path)]
    for day, refusal in (("1130320", "Y000"), ("1130321", None)):
        table.write_text(f"institution,from,until\n3999019987,{day},\n")
        (said,) = answers(capsysbinary, *arguments)
        assert (said["refusal"] and said["refusal"]["code"]) == refusal
    assert "go_live" not in {entry["needs"] for entry in said["not_checked"]}


def test_format_1_is_never_a_pre_check(capsysbinary: Out) -> None:
    file = str(V1 / "01_normal.xml")
    (said,) = answers(capsysbinary, file, "--as-of", DUAL_TRACK, "--mode", "precheck")
    assert said["refusal"]["code"] == "Z015"


def test_personal_fields_are_masked(capsysbinary: Out) -> None:
    (said,) = answers(capsysbinary, str(V1 / "04_with_errors.xml"), "--as-of", DUAL_TRACK)
    by_field = {f["field"]: f["value"] for f in said["findings"]}
    assert by_field["A12"] == "A1******98"
    assert "900009935262" not in str(by_field["A11"])
    assert by_field["A17"] == "1130230093012"


def test_the_csv_names_the_moment_and_no_treatment_id(capsysbinary: Out) -> None:
    file = str(V1 / "04_with_errors.xml")
    assert main(["check", file, "--as-of", DUAL_TRACK, "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode("utf-8-sig"))))
    assert {row["M15"] for row in rows} == {""}
    assert rows[2]["M11"] == "1130230093012"
    assert rows[0]["name"] == "身分證號或身分證明文件號碼"
    lines = (V1 / "04_with_errors.xml").read_bytes().split(b"\r\n")
    assert b"<A11>900009935262</A11>" in lines[int(rows[3]["line"]) - 1]

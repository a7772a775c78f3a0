"""The command line: exit codes, shapes of output, what is said when something is wrong."""

import gzip
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
import orjson
import pytest

from pipeline.cli import OUR_FAULT, WRONG_USAGE, cli, main

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
GOOD = SAMPLES / "01_cm_clinic_normal_A.xml"
MIXED = SAMPLES / "14_mixed_batch_with_errors.xml"
REFUSED = SAMPLES / "15_bad_no_closing_RECS.xml"
AS_OF = ["--as-of", "2025-05-01T12:00:00+08:00"]

Out = pytest.CaptureFixture[bytes]


def check(out: Out, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["check", *AS_OF, *map(str, arguments)])
    said = out.readouterr()
    return code, said.out.decode(), said.err.decode()


def verdicts(out: Out, *arguments: str | Path) -> tuple[int, list[dict[str, object]]]:
    code, said, _ = check(out, "--format", "json", *arguments)
    return code, [orjson.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([GOOD], 0),
        ([MIXED], 1),
        ([REFUSED], 2),
        ([GOOD, MIXED], 1),
        ([REFUSED, MIXED, GOOD], 2),
    ],
)
def test_exit_code_is_the_worst_of_all(capsysbinary: Out, files: list[Path], code: int) -> None:
    assert check(capsysbinary, *files)[0] == code


def test_json_has_the_published_keys(capsysbinary: Out) -> None:
    code, (said,) = verdicts(capsysbinary, MIXED)
    assert code == 1
    assert list(said) == [
        "upload", "sha256", "engine", "plan", "reference", "encoding", "parser", "refusal",
        "counts", "findings", "not_checked",
    ]  # fmt: skip
    assert said["upload"] == MIXED.name
    assert said["encoding"] == "big5"
    assert said["counts"] == {
        "records": 10, "records_accepted": 1, "records_warned": 0, "records_rejected": 9,
        "orders": 10, "orders_accepted": 8, "orders_rejected": 2,
    }  # fmt: skip
    finding = said["findings"][0]  # type: ignore[index]
    assert list(finding) == [
        "record", "order", "field", "code", "severity", "rule", "offset", "length", "value",
        "message_zh", "message_en", "remedy_zh", "remedy_en",
    ]  # fmt: skip
    assert (finding["record"], finding["order"], finding["field"]) == (2, None, "M15")
    assert finding["value"] is None


def test_json_points_at_the_bytes_and_masks_persons(capsysbinary: Out) -> None:
    _, (said,) = verdicts(capsysbinary, MIXED)
    payload = MIXED.read_bytes()
    by_record = {f["record"]: f for f in said["findings"]}  # type: ignore[attr-defined]
    m15 = by_record[8]
    assert payload[m15["offset"] : m15["offset"] + m15["length"]] == b"G2W4YTB27GEHL3C7SPZY"
    assert m15["value"] == "G2W4YT**************"
    assert by_record[3]["value"] == "1600"
    shown = orjson.dumps(said)
    assert b"B299999983" not in shown
    assert b"G2W4YTB27GEHL3C7" not in shown


def test_json_of_a_refusal(capsysbinary: Out) -> None:
    code, (said,) = verdicts(capsysbinary, REFUSED)
    assert code == 2
    assert said["refusal"]["code"] == "Y007"  # type: ignore[index]
    assert set(said["refusal"]) >= {"offset", "line", "column", "message_zh", "message_en"}  # type: ignore[call-overload]
    assert said["findings"] == []
    assert set(said["counts"].values()) == {0}  # type: ignore[attr-defined]


def test_json_names_what_was_not_checked(capsysbinary: Out) -> None:
    _, (said,) = verdicts(capsysbinary, GOOD)
    needs = {entry["needs"] for entry in said["not_checked"]}  # type: ignore[attr-defined]
    assert "state" in needs
    assert all(entry["rule"] for entry in said["not_checked"])  # type: ignore[attr-defined]


def test_json_with_records(capsysbinary: Out) -> None:
    _, (said,) = verdicts(capsysbinary, MIXED, "--records")
    assert said["records"][:2] == [  # type: ignore[index]
        {"record": 1, "verdict": "accepted"},
        {"record": 2, "verdict": "rejected"},
    ]
    assert len(said["records"]) == 10  # type: ignore[arg-type]


def test_text_teaches_and_masks(capsysbinary: Out) -> None:
    code, said, _ = check(capsysbinary, MIXED)
    assert code == 1
    assert "\x1b" not in said
    assert "接受 accepted 1" in said
    assert "退件 rejected 9" in said
    assert "M15 就醫識別碼" in said
    assert "D005 × 1" in said
    assert "→" in said
    assert "B299999983" not in said
    assert "G2W4YT**************" in said


def test_text_shows_some_places_and_counts_the_rest(capsysbinary: Out, tmp_path: Path) -> None:
    text = MIXED.read_bytes().replace(b"<M13>00", b"<M13>99")
    (tmp_path / "many.xml").write_bytes(text)
    _, (said,) = verdicts(capsysbinary, tmp_path / "many.xml")
    found = [f for f in said["findings"] if f["code"] == "AD01"]  # type: ignore[attr-defined]
    assert len(found) > 3
    _, shown, _ = check(capsysbinary, tmp_path / "many.xml", "--details", "2")
    assert f"AD01 × {len(found)}" in shown
    assert f"{len(found) - 2} more not listed" in shown


def test_text_can_not_steer_the_terminal(capsysbinary: Out, tmp_path: Path) -> None:
    text = MIXED.read_bytes().replace(b"<M13>1600</M13>", b"<M13>&#x9b;2J</M13>")
    path = tmp_path / "a\x1b[2Jb.xml"
    path.write_bytes(text)
    _, said, _ = check(capsysbinary, path)
    assert "\x1b" not in said
    assert "\x9b" not in said


def test_csv_of_one_upload_in_big5(capsysbinary: Out) -> None:
    code = main(["check", *AS_OF, str(MIXED), "--format", "csv", "--encoding", "big5"])
    lines = capsysbinary.readouterr().out.decode("cp950").split("\r\n")
    assert code == 1
    assert lines[0].endswith(",line,offset")
    assert lines[1].startswith("2,,M15,就醫識別碼,AA,reject,")


@pytest.mark.parametrize("packed", ["a.xml.gz", "a.zip"])
def test_packed_files_are_the_same_upload(capsysbinary: Out, tmp_path: Path, packed: str) -> None:
    path = tmp_path / packed
    if packed.endswith(".gz"):
        path.write_bytes(gzip.compress(MIXED.read_bytes()))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
            pack.write(MIXED, "x.xml")
            pack.write(GOOD, "y.xml")
    _, plain = verdicts(capsysbinary, MIXED)
    _, unpacked = verdicts(capsysbinary, path)
    for key in ("sha256", "counts", "findings"):
        assert unpacked[0][key] == plain[0][key]
    assert len(unpacked) == (1 if packed.endswith(".gz") else 2)


def test_a_damaged_archive_is_a_refusal_not_a_crash(capsysbinary: Out, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04nonsense")
    code, (said,) = verdicts(capsysbinary, path)
    assert code == 2
    assert said["refusal"]["code"] == "Z003"  # type: ignore[index]


def zipped(payload: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("x.xml", payload)
    return out.getvalue()


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zipped])
def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Out, packed: Callable[[bytes], bytes]
) -> None:
    class Stdin:
        buffer = io.BytesIO(packed(MIXED.read_bytes()))

    monkeypatch.setattr(sys, "stdin", Stdin)
    code, (said,) = verdicts(capsysbinary, "-")
    assert code == 1
    assert said["counts"]["records"] == 10  # type: ignore[index]


def test_both_parsers_say_the_same(capsysbinary: Out) -> None:
    _, (fast,) = verdicts(capsysbinary, MIXED, "--parser", "fast")
    _, (slow,) = verdicts(capsysbinary, MIXED, "--parser", "lxml")
    assert (fast["parser"], slow["parser"]) == ("fast", "lxml")
    assert fast | {"parser": ""} == slow | {"parser": ""}


def test_naive_as_of_is_taipei(capsysbinary: Out) -> None:
    main(["check", str(MIXED), "--format", "json", "--as-of", "2025-05-01T12:00:00"])
    naive = capsysbinary.readouterr().out
    main(["check", str(MIXED), "--format", "json", "--as-of", "2025-05-01T04:00:00+00:00"])
    assert capsysbinary.readouterr().out == naive
    before = verdicts(capsysbinary, MIXED, "--as-of", "2025-04-01")[1][0]
    assert before["counts"]["records_rejected"] == 10  # type: ignore[index]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["check", "no-such-file.xml"],
        ["check", str(GOOD), "--as-of", "yesterday"],
        ["check", str(GOOD), "--as-of", "0001-01-01"],
        ["check", str(GOOD), "--as-of", "9999-12-31T23:59-12:00"],
        ["check", str(GOOD), "--institution", "12"],
        ["check", str(GOOD), "--format", "yaml"],
        ["check", str(GOOD), "--nonsense"],
        ["explain", "NOSUCH"],
        ["rules", "show", "no/such-rule"],
    ],
)
def test_wrong_usage_is_64_and_says_why(capsysbinary: Out, arguments: list[str]) -> None:
    assert main(arguments) == WRONG_USAGE
    said = capsysbinary.readouterr()
    assert said.err
    assert b"Traceback" not in said.err


def test_a_folder_without_uploads_is_not_all_well(capsysbinary: Out, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no upload")
    code, said, why = check(capsysbinary, tmp_path)
    assert (code, said) == (WRONG_USAGE, "")
    assert "資料夾裡沒有上傳檔" in why
    assert str(tmp_path) in why


def test_our_own_fault_is_70_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Out
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("A123456789")

    monkeypatch.setattr("rules.load_plan", broken)
    assert main(["check", str(GOOD)]) == OUR_FAULT
    said = capsysbinary.readouterr().err.decode()
    assert "ValueError" in said
    assert "Traceback" not in said
    assert "A123456789" not in said
    monkeypatch.setenv("NHI_UPLOAD_DEBUG", "1")
    assert main(["check", str(GOOD)]) == OUR_FAULT
    assert "Traceback" in capsysbinary.readouterr().err.decode()


def test_a_wrong_environment_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Out
) -> None:
    monkeypatch.setenv("NHI_UPLOAD_MAX_RECORDS", "many")
    assert main(["check", str(GOOD)]) == WRONG_USAGE
    assert b"NHI_UPLOAD_MAX_RECORDS" in capsysbinary.readouterr().err


def test_limits_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Out
) -> None:
    monkeypatch.setenv("NHI_UPLOAD_MAX_UPLOAD_BYTES", str(MIXED.stat().st_size))
    assert verdicts(capsysbinary, MIXED)[0] == 1
    monkeypatch.setenv("NHI_UPLOAD_MAX_UPLOAD_BYTES", str(MIXED.stat().st_size - 1))
    code, (said,) = verdicts(capsysbinary, MIXED)
    assert code == 2
    assert said["refusal"]["code"] == "Z001"  # type: ignore[index]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_help_teaches_by_example(capsysbinary: Out, path: tuple[str, ...]) -> None:
    assert main([*path, "--help"]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "Example" in said
    assert f"nhi-upload {' '.join(path)}" in said


def test_explain(capsysbinary: Out) -> None:
    assert main(["explain", "M15:AA", "D005;"]) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "M15 就醫識別碼" in said
    assert "D005" in said
    assert main(["explain", "AA", "--format", "json"]) == 0
    found = orjson.loads(capsysbinary.readouterr().out)
    assert found["code"] == "AA"
    assert {"M15", "M03"} <= {rule["field"] for rule in found["rules"]}


def test_rules_list_and_show(capsysbinary: Out) -> None:
    assert main(["rules", "list", "--format", "json", "--code", "AA"]) == 0
    rules = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert {rule["code"] for rule in rules} == {"AA"}
    assert main(["rules", "show", rules[0]["id"]]) == 0
    assert rules[0]["id"] in capsysbinary.readouterr().out.decode()


def test_the_catalogue_page_is_fresh(capsysbinary: Out) -> None:
    assert main(["rules", "docs", "--check"]) == 0, capsysbinary.readouterr().err.decode()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        capture_output=True,
        check=False,
        env=os.environ | environment,
        timeout=120,
    )


def test_the_module_is_the_command() -> None:
    done = run("check", str(REFUSED), *AS_OF)
    assert done.returncode == 2
    assert "Y007" in done.stdout.decode()


def test_a_console_without_chinese_gets_escapes() -> None:
    done = run("check", str(MIXED), *AS_OF, PYTHONIOENCODING="ascii")
    assert done.returncode == 1, done.stderr
    assert b"\\u" in done.stdout


def test_a_reader_that_leaves_is_no_fault() -> None:
    command = f"{sys.executable} -m pipeline rules list | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=120)
    assert done.stderr == b""


def test_a_cold_start_says_that_it_compiles(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Out
) -> None:
    compiled: list[bool] = []
    monkeypatch.setattr("pipeline.cli.cold_start.is_cold", lambda: not compiled)
    monkeypatch.setattr("pipeline.cli.cold_start.compile_all", lambda: compiled.append(True))
    _, _, first = check(capsysbinary, GOOD)
    assert "compiling kernels for this CPU" in first
    assert compiled == [True]
    _, said, second = check(capsysbinary, GOOD)
    assert second == ""
    assert "compiling" not in said


def test_now_is_the_default_moment(capsysbinary: Out) -> None:
    assert main(["check", str(GOOD), "--format", "json"]) in (0, 1)
    assert orjson.loads(capsysbinary.readouterr().out)["refusal"] is None
    assert datetime.now().year >= 2025

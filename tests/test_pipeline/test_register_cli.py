"""``register check``: exit codes, the three forms of an answer, what is masked and neutralised."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import click
import orjson
import pytest
from registration_files import HUA, MEI, MING, NAME, check, csv_of
from rich.console import Console

from pipeline.cli import WRONG_USAGE, cli, main
from pipeline.register.check import Checked
from pipeline.register.limits import REGISTER_LIMITS, RegisterLimits
from pipeline.report.error_csv import neutralised
from pipeline.report.register_csv import COLUMNS, register_csv
from pipeline.report.register_json import register_json
from pipeline.report.register_text import show_registration

Out = pytest.CaptureFixture[bytes]
GOOD = csv_of(f"{MING},ming@example.com.tw,0912345678")
BAD_ROW = csv_of(f"{MING},ming@example.com.tw,0912345678", f"{MEI[:-1]}3,mei@example,04")
AS_OF = ["--as-of", "2025-05-01"]


def file_of(folder: Path, text: str | bytes, name: str = NAME) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def run(out: Out, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["register", "check", *AS_OF, *map(str, arguments)])
    said = out.readouterr()
    return code, said.out.decode(), said.err.decode()


def text_of(checked: Checked, details: int = 10) -> str:
    screen = Console(file=io.StringIO(), width=120, highlight=False, markup=False, emoji=False)
    show_registration(checked, screen, details)
    return screen.file.getvalue()  # type: ignore[attr-defined]


def rows_of(checked: Checked) -> list[dict[str, str]]:
    written = b"".join(register_csv([checked])).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(written, newline="")))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([(GOOD, NAME)], 0),
        ([(BAD_ROW, NAME)], 1),
        ([(GOOD, "a.CSV")], 2),
        ([("", NAME)], 2),
        ([(GOOD, NAME), (BAD_ROW, "11000000220150807.CSV")], 1),
        ([(b"PK\x03\x04", "1.xlsx"), (GOOD, NAME)], 2),
    ],
)
@pytest.mark.parametrize("shape", ["text", "csv", "json"])
def test_exit_code_is_the_worst_of_all(
    sent: list[tuple[str | bytes, str]], code: int, shape: str, capsysbinary: Out, tmp_path: Path
) -> None:
    files = [file_of(tmp_path, text, name) for text, name in sent]
    assert run(capsysbinary, *files, "--format", shape)[0] == code


def test_json_says_how_many_are_good_and_why_not(capsysbinary: Out, tmp_path: Path) -> None:
    code, out, _ = run(capsysbinary, file_of(tmp_path, BAD_ROW), "--format", "json")
    said = orjson.loads(out)
    assert code == 1
    assert list(said) == [
        "upload", "sha256", "engine", "plan", "encoding", "unit", "date", "status", "refusal",
        "counts", "reasons", "findings",
    ]  # fmt: skip
    assert (said["unit"], said["date"], said["status"]) == (
        "110000001", "2015-08-07", "rows-rejected",
    )  # fmt: skip
    assert said["counts"] == {
        "rows": 2, "rows_accepted": 1, "rows_warned": 0, "rows_rejected": 1,
    }  # fmt: skip
    assert said["reasons"] == {"R034": 1, "R043": 1}
    first = said["findings"][0]
    assert (first["row"], first["line"], first["column"], first["offset"]) == (2, 2, "A", 43)
    assert first["message_zh"]
    assert first["remedy_en"]


def test_a_refusal_is_told_in_every_form(capsysbinary: Out, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"A123456789,a@b.tw\nB,\xff\xff")
    said = orjson.loads(run(capsysbinary, path, "--format", "json")[1])
    assert said["refusal"]["code"] == "R004"
    assert (said["refusal"]["line"], said["refusal"]["column"]) == (2, 3)
    assert said["status"] == "file-rejected"
    text = run(capsysbinary, path)[1]
    assert "第 2 列第 3 位元組 row 2, byte 3" in text
    assert "FF FF" in text
    row = next(csv.DictReader(io.StringIO(run(capsysbinary, path, "--format", "csv")[1][1:])))
    assert (row["line"], row["code"], row["severity"]) == ("2", "R004", "refuse")


def test_text_and_json_mask_what_is_personal_and_csv_does_not() -> None:
    secrets = [MEI, "mei.secret@example", "0987654321 x", "extra.secret@b.tw"]
    sent = csv_of(",".join((*secrets[:3], secrets[3])), f'{HUA},"quoted.secret@b.tw')
    checked = check(sent)
    text, json = text_of(checked), register_json(checked, None, "0").decode()
    cells = {row["value"] for row in rows_of(checked)}
    for shown in (text, json):
        assert "secret" not in shown
        assert "98765" not in shown
        assert HUA not in shown
    assert "第 1 列 B 欄" in text
    assert "m**.******@*******" in text
    assert {"mei.secret@example", "0987654321 x", "extra.secret@b.tw"} <= cells


def test_an_id_in_the_name_of_the_file_is_masked() -> None:
    checked = check(GOOD, f"{MEI}.CSV")
    assert MEI not in text_of(checked)
    assert MEI not in register_json(checked, None, "0").decode()


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx=1",
    "＝1+1",
    " =1+1",
    "=cmd|'/C calc'!A0",
    '"=1,2"',
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_csv_is_a_formula(formula: str) -> None:
    rows = [f"{MING},ming@b.tw,{formula}", f"{MEI},{formula},", f"{formula},c@b.tw,"]
    rows += [f"{HUA},d@b.tw,,{formula}", f'{HUA},"{formula}', formula]
    checked = check(csv_of(*rows), f"{formula}.CSV")
    found = rows_of(checked)
    assert len(found) > len(rows)
    for row in found:
        for cell in row.values():
            assert neutralised(cell, 10_000) == cell or cell.startswith("'")
            assert not cell.lstrip(" \u3000").startswith(("=", "+", "-", "@", "\t", "＝"))


def test_nothing_sent_steers_a_terminal_or_breaks_a_line() -> None:
    evil = "\x1b[2J\u202e\x07"
    checked = check(csv_of(f"{MING}{evil},a@b.tw{evil},09{evil},{evil}"), f"{evil}.CSV")
    for shown in (text_of(checked), *(cell for row in rows_of(checked) for cell in row.values())):
        assert not any(character in shown for character in evil[0] + evil[-2:])
    for row in rows_of(checked):
        assert "\n" not in "".join(row.values())


def test_places_beyond_the_details_are_counted() -> None:
    checked = check(csv_of(*(f"{MING[:-3]}{n:03},x" for n in range(100, 130))))
    shown = text_of(checked, details=3)
    assert "R043 × 30" in shown
    assert "27 more not listed" in shown


# limits and floods


def test_the_size_of_a_file_is_limited() -> None:
    limits = RegisterLimits(file_bytes=len(GOOD))
    assert check(GOOD, limits=limits).worst == 0
    refusal = check(GOOD + "\n", limits=limits).refusal
    assert refusal is not None
    assert (refusal.code, refusal.offset) == ("R001", 0)


def test_the_number_of_rows_is_limited() -> None:
    three = csv_of(*(f"{who},a@b.tw" for who in (MING, MEI, HUA)))
    assert check(three + "\n\n", limits=RegisterLimits(rows=3)).worst == 0
    refusal = check(three, limits=RegisterLimits(rows=2)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.line) == ("R002", 3)
    blank = check(three + "\n" * 10, limits=RegisterLimits(rows=3, lines=5)).refusal
    assert blank is not None
    assert (blank.code, blank.line) == ("R002", 6)


def test_a_flood_of_errors_is_told_as_one() -> None:
    refusal = check("x,\n" * 5_000).refusal
    assert refusal is not None
    assert refusal.code == "R006"


@pytest.mark.parametrize(
    "piece", [b'"', b",", b"a", b" ", b"\n", b'""x', b',"\n', b"\xa4\xa4", b"a,", b'","', b"=1,"]
)
def test_a_file_of_one_thing_is_answered_soon(piece: bytes) -> None:
    checked = check(piece * (2_000_000 // len(piece)))
    assert checked.worst == 2 or checked.counts.rejected == 1
    assert len(b"".join(register_csv([checked]))) < 20_000
    assert len(register_json(checked, None, "0")) < 20_000


def test_too_large_a_file_is_not_read_whole(capsysbinary: Out, tmp_path: Path) -> None:
    path = tmp_path / NAME
    with path.open("wb") as file:
        file.truncate(REGISTER_LIMITS.file_bytes * 1_000)
    code, out, _ = run(capsysbinary, path, "--format", "json")
    said = orjson.loads(out)
    assert (code, said["refusal"]["code"], said["sha256"]) == (2, "R001", None)


# the command


def test_standard_input_needs_its_name() -> None:
    command = [sys.executable, "-m", "pipeline", "register", "check", "-", *AS_OF]
    named = subprocess.run([*command, "--name", NAME], input=GOOD.encode(), capture_output=True)
    assert named.returncode == 0
    bare = subprocess.run(command, input=GOOD.encode(), capture_output=True)
    assert bare.returncode == 2
    assert b"R010" in bare.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["."], ["no-such.CSV"], [__file__, __file__, "--name", NAME]]
)
def test_wrong_usage(arguments: list[str], capsysbinary: Out) -> None:
    code, out, err = run(capsysbinary, *arguments)
    assert code == WRONG_USAGE
    assert out == ""
    assert err


def test_help_has_examples() -> None:
    command = cli.get_command(click.Context(cli), "register")
    assert isinstance(command, click.Group)
    assert "nhi-upload register check 11000000120150807.CSV" in (
        command.commands["check"].help or ""
    )


def test_the_csv_begins_with_a_mark_and_its_columns(capsysbinary: Out, tmp_path: Path) -> None:
    main(["register", "check", *AS_OF, str(file_of(tmp_path, GOOD)), "--format", "csv"])
    written = capsysbinary.readouterr().out
    assert written == b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n"


def test_the_page_of_rules_is_fresh(capsysbinary: Out) -> None:
    assert main(["register", "rules", "--format", "markdown"]) == 0
    page = Path(__file__).parents[2] / "docs" / "REGISTRATIONS.md"
    assert capsysbinary.readouterr().out == page.read_bytes()


def test_rules_are_told_by_code(capsysbinary: Out) -> None:
    assert main(["register", "rules", "R034"]) == 0
    told = capsysbinary.readouterr().out.decode()
    assert "not person_check(R01)" in told
    assert main(["register", "rules", "R034", "R051", "--format", "json"]) == 0
    said = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert {rule["code"] for rule in said} == {"R034", "R051"}
    assert main(["register", "rules", "R999"]) == WRONG_USAGE


def test_explain_knows_the_codes_of_registrations(capsysbinary: Out) -> None:
    assert main(["explain", "R01[3]:R034;M15:AA"]) == 0
    told = capsysbinary.readouterr().out.decode()
    assert "not person_check(R01)" in told
    assert "required/M15" in told
    assert main(["explain", "R034", "--format", "json"]) == 0
    assert orjson.loads(capsysbinary.readouterr().out)["id"] == "person/check-digit"
    assert main(["explain", "R999"]) == WRONG_USAGE

"""Hostile texts: no id shows where others read, no terminal is steered, no sheet runs anything."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from pathlib import Path

import polars as pl
import pytest

from pipeline.cli import main

SAMPLE = (
    Path(__file__).parents[1] / "fixtures" / "samples" / "01_cm_clinic_normal_A.xml"
).read_bytes()
AS_OF = "2025-04-02T20:55"
PERSON = "A123456789"

Out = pytest.CaptureFixture[bytes]


def said(out: Out, *arguments: str | Path) -> str:
    out.readouterr()
    assert main([str(a) for a in arguments]) in (0, 1, 2)
    return out.readouterr().out.decode()


def put(path: Path, old: str = "", new: str = "") -> Path:
    text = SAMPLE.decode("cp950")
    path.write_bytes((text.replace(old, new, 1) if old else text[:-9]).encode("cp950"))
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<M07>", f"<{PERSON}>x</{PERSON}><M07>"),
        ("<M07>", f"<M07>&{PERSON};"),
        ("</M03>", f"</{PERSON}>"),
        ("Big5", PERSON),
        ("<REC>", f"<{PERSON}>"),
        ("<M07>", f"<M07>{PERSON}"),
        ("<M53>50", "<M53>G2W4YTA17GEHM3C43C8C"),
    ],
    ids=["element", "entity", "end tag", "encoding", "box", "value", "treatment id elsewhere"],
)
@pytest.mark.parametrize("shape", ["text", "json"])
def test_ids_show_nowhere(
    old: str, new: str, shape: str, tmp_path: Path, capsysbinary: Out
) -> None:
    path = put(tmp_path / "a.xml", old, new)
    told = said(capsysbinary, "check", path, "--as-of", AS_OF, "--format", shape)
    assert "✗" in told or '"severity":"reject"' in told or '"refusal":{' in told
    assert PERSON not in told
    assert "A17GEHM3C43C8C" not in told


def test_an_id_in_a_file_name_shows_neither_in_a_summary_nor_as_a_receipt(
    tmp_path: Path, capsysbinary: Out
) -> None:
    path = put(tmp_path / f"{PERSON}.xml")
    rest: list[str | Path]
    rest = ["run", path, "--receipts", tmp_path / "receipts", "--received-at", AS_OF, "--store"]
    told = said(capsysbinary, *rest, tmp_path / "a")
    told += said(capsysbinary, *rest, tmp_path / "b", "--format", "json")
    assert told.count("A1******89.xml") == 2
    names = [receipt.name for receipt in (tmp_path / "receipts").iterdir()]
    assert len(names) == 4
    assert not [text for text in (told, *names) if PERSON in text]


NAMES = ["\x1b[2J.xml", "new\nline.xml", "rtl\u202egpj.xml", "c1\x9b31m.xml", "=1+1.xml", "@x.xml"]


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        put(folder / name)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name in [*NAMES, "../../../up.xml", "C:\\x.xml", "=" * 60_000 + ".xml"]:
            archive.writestr(name, SAMPLE[:-9])
    return folder


def test_names_steer_no_terminal(odd_names: Path, capsysbinary: Out) -> None:
    store = odd_names.parent / "store"
    files = sorted(odd_names.iterdir())
    told = said(capsysbinary, "check", *files, "--as-of", AS_OF)
    told += said(capsysbinary, "run", odd_names, "--store", store, "--received-at", AS_OF)
    assert "gpj.xml" in told
    wrong = {c for c in told if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"}
    assert wrong == set()


def test_names_run_in_no_spreadsheet(odd_names: Path, capsysbinary: Out) -> None:
    files = sorted(odd_names.iterdir())
    told = said(capsysbinary, "check", *files, "--as-of", AS_OF, "--format", "csv")
    rows = list(csv.reader(io.StringIO(told)))
    assert len(rows) == 1 + 2 * len(NAMES) + 3
    assert not [cell for row in rows for cell in row if cell[:1] in {*"=+-@\t\r\n"} and cell]


def test_receipts_stay_in_their_folder(odd_names: Path, capsysbinary: Out) -> None:
    receipts, store = odd_names.parent / "receipts", odd_names.parent / "store"
    said(capsysbinary, "run", odd_names, "--store", store, "--receipts", receipts)
    written = [path.name for path in receipts.iterdir()]
    assert len(written) == 2 * (2 * len(NAMES) + 3)
    assert all(re.fullmatch(r"[\w.-]+", name) for name in written)
    assert {p.name for p in odd_names.parent.iterdir()} == {"in", "receipts", "store"}


def test_a_bad_first_code_does_not_make_the_other_records_nobodys(
    tmp_path: Path, capsysbinary: Out
) -> None:
    """Owned by nobody, they could never be corrected by their institution."""
    record = SAMPLE[SAMPLE.index(b"<REC>") : SAMPLE.index(b"</REC>") + 6]
    bad = record.replace(b"<M05>3999019987", b"<M05>" + b"x" * 60_000)
    (tmp_path / "a.xml").write_bytes(SAMPLE.replace(record, bad + record))
    put(tmp_path / "b.xml", "<M44>756", "<M44>757")
    store = tmp_path / "store"
    for name in ("a.xml", "b.xml"):
        said(capsysbinary, "run", tmp_path / name, "--store", store, "--received-at", AS_OF)
    visits = pl.read_delta(str(store / "tables" / "visits"))
    assert visits.select("institution", "M44").rows() == [("3999019987", "757")]
    assert (
        pl.read_delta(str(store / "tables" / "uploads"))["institution"].str.len_bytes().max() == 10
    )

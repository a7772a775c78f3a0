"""``held`` on the command line: listed, shown, decided once; receipts say what became of it."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from visit_records import HOSPITAL, PERSON, Record, moment, upload, visit

from pipeline.accounts.accounts import FILE, accounts_url, open_accounts
from pipeline.cli import OUR_FAULT, WRONG_USAGE, main
from pipeline.settings import Settings

AS_OF = "2025-12-20T21:00:00+08:00"
MORNING = moment("2025-12-20T09:30:00")
SENT = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]

Out = pytest.CaptureFixture[bytes]


class Place:
    """A store with an upload that is held, and the receipts of its runs."""

    def __init__(self, folder: Path) -> None:
        self.store, self.receipts, self._inbox = folder / "s", folder / "r", folder / "in"
        self._inbox.mkdir()

    def take(self, name: str, *records: Record, more: tuple[str, ...] = ()) -> int:
        file = self._inbox / f"{name}.xml"
        file.write_bytes(upload(records))
        return main(["run", str(file), "--received-at", AS_OF, *self.where, *more])

    def held(self, *arguments: str) -> int:
        return main(["held", *arguments, "--store", str(self.store)])

    def decide(self, decision: str, *upload_ids: str) -> int:
        return main(["held", decision, *upload_ids, "--yes", *self.where])

    def receipt(self, suffix: str) -> str:
        (file,) = self.receipts.glob(f"deletes-*.{suffix}")
        return file.read_bytes().decode("cp950" if suffix == "txt" else "utf-8-sig")

    def uploads(self) -> pl.DataFrame:
        return pl.read_delta(str(self.store / "tables/uploads")).sort("upload_id")

    @property
    def held_id(self) -> str:
        (one,) = pl.read_delta(str(self.store / "tables/held")).filter(action="hold")["upload_id"]
        return str(one)

    @property
    def where(self) -> tuple[str, ...]:
        return "--store", str(self.store), "--receipts", str(self.receipts)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    place = Place(folder)
    assert place.take("first", *SENT) == 0
    assert place.take("deletes", *(one.as_format("D") for one in SENT)) == 0
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Place:
    shutil.copytree(made / "s", tmp_path / "s")
    shutil.copytree(made / "r", tmp_path / "r")
    return Place(tmp_path)


def said(out: Out) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.readouterr().out.splitlines()]


def test_a_run_tells_of_what_it_holds(capsysbinary: Out, tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.take("first", *SENT) == 0
    capsysbinary.readouterr()
    deletes = [one.as_format("D") for one in SENT]
    assert place.take("deletes", *deletes, more=("--format", "json", "--strict")) == 1
    (summary,) = said(capsysbinary)
    assert (summary["uploads"], summary["done"], summary["held"]) == (1, 0, 1)
    assert summary["holds"] == [{"upload": "deletes.xml", "upload_id": place.held_id}]
    other = [one.but(M44="111").as_format("D") for one in SENT]
    assert place.take("again", *other[:-1]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert "暫緩 held 1" in text
    assert "again.xml  大量刪除，待確認 many deletes, to be confirmed" in text


def test_the_receipt_says_that_nothing_was_taken_yet(capsysbinary: Out, place: Place) -> None:
    text = place.receipt("txt")
    head, body, *_ = text.split("=" * 75 + "\r\n")
    assert head.count("[") == 12
    assert "尚未收下任何一筆" in body
    assert "[" not in body
    assert "：" in body
    assert ",held,," in place.receipt("csv")
    for shape in ("text", "csv"):
        capsysbinary.readouterr()
        args = ["receipt", place.held_id, "--store", str(place.store), "--format", shape]
        assert main(args) == 0
        suffix = "txt" if shape == "text" else "csv"
        (file,) = place.receipts.glob(f"deletes-*.{suffix}")
        assert capsysbinary.readouterr().out == file.read_bytes()
    args = ["receipt", place.held_id, "--store", str(place.store), "--format", "json"]
    assert main(args) == 0
    (answer,) = said(capsysbinary)
    assert answer["held"]["status"] == "held"
    assert "nothing of it has been taken yet" in answer["held"]["message_en"]
    assert "held" not in orjson.loads(_json_of_first(capsysbinary, place))


def _json_of_first(out: Out, place: Place) -> bytes:
    first = place.uploads().filter(name="first.xml")["upload_id"][0]
    assert main(["receipt", first, "--store", str(place.store), "--format", "json"]) == 0
    return out.readouterr().out


def test_what_waits_is_listed_and_shown(capsysbinary: Out, place: Place) -> None:
    assert place.held("list", "--format", "json") == 0
    (one,) = said(capsysbinary)
    assert (one["upload_id"], one["institution"]) == (place.held_id, HOSPITAL)
    assert (one["visit_month"], one["deletes"], one["live"]) == ("2025-12", 30, 30)
    assert (one["share"], one["status"]) == (1.0, "held")
    assert place.held("show", place.held_id) == 0
    text = capsysbinary.readouterr().out.decode()
    assert "刪除 deletes 30/30（100%）" in text
    assert "格式 formats：刪除 deletes 30" in text


def test_a_release_deletes_once(capsysbinary: Out, place: Place) -> None:
    assert place.decide("release", place.held_id) == 0
    assert pl.read_delta(str(place.store / "tables/visits")).is_empty()
    assert "尚未收下" not in place.receipt("txt")
    assert "held" not in place.receipt("csv")
    assert not (place.receipts / ".pending").exists()
    before = place.uploads()
    assert place.decide("release", place.held_id) == 0
    assert "先前已放行" in capsysbinary.readouterr().out.decode()
    assert place.decide("drop", place.held_id) == 1
    assert place.uploads().equals(before)
    assert place.held("list") == 0
    assert "沒有暫緩的上傳" in capsysbinary.readouterr().out.decode()


def test_what_is_dropped_is_never_taken(capsysbinary: Out, place: Place) -> None:
    assert main(["held", "drop", place.held_id, "--yes", "--by", "A. Chen", *place.where]) == 0
    assert len(pl.read_delta(str(place.store / "tables/visits"))) == 30
    assert "作廢" in place.receipt("txt")
    assert ",dropped,," in place.receipt("csv")
    capsysbinary.readouterr()
    assert place.held("show", place.held_id, "--format", "json") == 0
    (one,) = said(capsysbinary)
    assert [(d["action"], d["by"]) for d in one["decisions"]] == [
        ("hold", None), ("drop", "A. Chen"),
    ]  # fmt: skip
    assert one["status"] == "dropped"


def test_a_redelivery_is_the_upload_it_repeats(place: Place) -> None:
    assert place.take("deletes", *(one.as_format("D") for one in SENT)) == 0
    again = place.uploads().filter(pl.col("redelivery_of").is_not_null())
    assert again["status"].to_list() == ["held"]
    assert place.decide("release", again["upload_id"][0]) == 0
    assert set(place.uploads()["status"]) == {"done"}
    assert len(pl.read_delta(str(place.store / "tables/history"))) == 60


def test_nobody_decides_by_mistake(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = place.uploads()
    assert place.held("release", place.held_id) == WRONG_USAGE
    assert "--yes" in capsys.readouterr().err
    assert place.held("release", "0" * 26, "--yes") == WRONG_USAGE
    first = before.filter(name="first.xml")["upload_id"][0]
    assert place.held("drop", first, "--yes") == WRONG_USAGE
    assert "不曾暫緩" in capsys.readouterr().err
    assert place.uploads().equals(before)


@pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, "done"), ("n", 130, "held")])
def test_a_terminal_is_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, status: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)
    assert place.held("release", place.held_id) == code
    assert place.uploads().filter(name="deletes.xml")["status"].to_list() == [status]


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_the_audit_log_tells_who_decided(
    place: Place, decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "a.chen")
    with open_accounts(accounts_url(Settings(), str(place.store))):
        pass
    upload_id = place.held_id
    assert place.decide(decision, upload_id) == 0
    assert place.decide(decision, upload_id) == 0  # nothing is decided, nothing is told
    with open_accounts(accounts_url(Settings(), str(place.store))) as accounts:
        (row,) = [one for one in accounts.audit.rows() if one.action.startswith("held.")]
        assert accounts.audit.verify().ok
    assert (row.who, row.object, row.institution) == ("operator:a.chen", upload_id, HOSPITAL)
    assert row.action == {"release": "held.released", "drop": "held.dropped"}[decision]
    counted = {"by": None, "visit_month": "2025-12", "deletes": 30, "live": 30}
    assert row.details == counted


def test_without_accounts_none_are_made(place: Place) -> None:
    assert place.decide("drop", place.held_id) == 0
    assert not list(place.store.glob("accounts*"))


def test_accounts_that_cannot_be_used_stop_a_decision(place: Place) -> None:
    (place.store / FILE).write_bytes(b"no database")
    assert place.decide("drop", place.held_id) == OUR_FAULT
    assert place.uploads().filter(upload_id=place.held_id)["status"][0] == "held"

"""Downloads: whose ids are in clear, until when, under which password, and that it is recorded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import pyzipper
from senders import Clock

from pipeline.accounts.faults import WeakPasswordError
from pipeline.accounts.who import Who
from pipeline.desk.errors import DownloadEndedError, NotThereError
from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import Sender
from pipeline.report.error_csv import error_csv
from pipeline.report.receipt import receipt
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI
from pipeline.web.downloads import NotReadyError, download, encrypted_download
from pipeline.web.house import Doorway, House
from pipeline.web.open_house import open_house

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
MIXED = (SAMPLES / "14_mixed_batch_with_errors.xml").read_bytes()
OURS, THEIRS = "3999019987", "3599019970"
CLINIC = Who("c1", "marigold-clinic", "clinic", frozenset({OURS}))
OTHER = Who("c2", "other", "clinic", frozenset({THEIRS}))
VENDOR = Who("k1", "vendor", "vendor", frozenset({OURS, THEIRS}))
INSURER = Who("i1", "insurer", "insurer")
AUDITOR = Who("a1", "auditor", "auditor")
PATIENTS = ("A199999999", "B299999983")


@pytest.fixture(scope="module")
def running() -> Clock:
    return Clock(datetime(2025, 5, 1, 12, tzinfo=TAIPEI))


@pytest.fixture
def clock(running: Clock) -> Iterator[Clock]:
    """The clock of the house, set back afterwards."""
    before = running.now
    yield running
    running.now = before


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, running: Clock) -> Iterator[House]:
    store = str(tmp_path_factory.mktemp("downloads") / "store")
    with open_house(Settings(), store, Doorway(), commit_seconds=0.1, clock=running) as house:
        yield house


def sent(house: House, data: bytes = MIXED, institution: str = OURS) -> str:
    """An upload, checked; its id."""
    ticket = house.service.door.take(
        Payload("a.xml", data, sha256(data).digest()), Sender(institution, "web-api", "official")
    )
    assert house.service.outcomes.wait(ticket.upload_id, 60)
    return ticket.upload_id


def test_the_institutions_own_is_in_clear_as_the_command_line_gives_it(house: House) -> None:
    upload_id = sent(house)
    answer = house.desk.receipt(CLINIC, upload_id).answer
    assert answer is not None
    csv_file = download(house, CLINIC, upload_id, "csv")
    assert csv_file == (f"{upload_id}-errors.csv", "text/csv; charset=utf-8", error_csv([answer]))
    in_big5 = download(house, VENDOR, upload_id, "csv", "big5")
    assert in_big5[1:] == ("text/csv; charset=big5", error_csv([answer], "big5"))
    text = download(house, CLINIC, upload_id, "text")
    assert text == (f"{upload_id}-receipt.txt", "text/plain; charset=big5", receipt(answer))
    assert any(patient.encode() in text.data for patient in PATIENTS)


@pytest.mark.parametrize("who", [INSURER, AUDITOR])
def test_the_insurers_people_get_nobodys_id(house: House, who: Who) -> None:
    upload_id = sent(house)
    opened = encrypted_download(house, who, upload_id, "text")
    for data in (
        download(house, who, upload_id, "csv").data,
        download(house, who, upload_id, "text").data,
        unzipped(opened.data, opened.password.text)[1],
    ):
        assert len(data) > 500
        assert not any(patient.encode() in data for patient in PATIENTS)


def unzipped(packed: bytes, password: str) -> tuple[str, bytes]:
    """The one file of an encrypted zip."""
    with pyzipper.AESZipFile(io.BytesIO(packed)) as pack:
        pack.setpassword(password.encode())
        (name,) = pack.namelist()
        return name, pack.read(name)


def test_a_zip_opens_with_the_password_that_was_made(house: House) -> None:
    upload_id = sent(house)
    made = encrypted_download(house, CLINIC, upload_id, "csv", "big5")
    assert (made.filename, made.media_type) == (f"{upload_id}-errors.zip", "application/zip")
    assert made.password.kind == "made"
    inside = unzipped(made.data, made.password.text)
    assert inside == download(house, CLINIC, upload_id, "csv", "big5")[::2]


def test_a_chosen_password_must_be_strong_and_not_the_clinics_name(house: House) -> None:
    upload_id = sent(house)
    chosen = encrypted_download(house, CLINIC, upload_id, "text", password="Bleak-Otter-Vends-41")
    assert unzipped(chosen.data, "Bleak-Otter-Vends-41")[0] == f"{upload_id}-receipt.txt"
    for weak in ("secret", "A123456789", "marigold-clinic-1", f"{OURS}-{OURS}", ""):
        with pytest.raises(WeakPasswordError):
            encrypted_download(house, CLINIC, upload_id, "text", password=weak)


def test_an_id_as_a_password_by_the_operators_leave(house: House) -> None:
    upload_id = sent(house)
    allowing = replace(house, settings=replace(house.settings, id_as_password=True))
    made = encrypted_download(allowing, CLINIC, upload_id, "csv", password="A123456789")
    assert made.password.kind == "id"
    assert unzipped(made.data, "A123456789")[0] == f"{upload_id}-errors.csv"
    (row,) = house.accounts.audit.rows(object=upload_id)
    assert "A123456789" not in str(row)


def test_a_cell_that_would_run_in_a_spreadsheet_does_not(house: House) -> None:
    evil = MIXED.replace(b"<D01>", b"<D01>=1+1", 1)
    assert evil != MIXED
    upload_id = sent(house, evil)
    made = encrypted_download(house, CLINIC, upload_id, "csv")
    text = unzipped(made.data, made.password.text)[1].decode("utf-8-sig")
    values = [row["value"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert any(value.startswith("'=1+1") for value in values)
    assert not any(value.startswith("=") for value in values)


def test_every_download_is_recorded_and_no_refusal_of_one(house: House) -> None:
    upload_id = sent(house)
    with pytest.raises(NotThereError):
        download(house, OTHER, upload_id, "csv")
    with pytest.raises(WeakPasswordError):
        encrypted_download(house, CLINIC, upload_id, "csv", password="x")
    assert house.accounts.audit.rows(object=upload_id) == []
    download(house, CLINIC, upload_id, "csv")
    encrypted_download(house, INSURER, upload_id, "text")
    last, first = house.accounts.audit.rows(object=upload_id)
    assert (first.who, first.action, first.institution) == ("c1", "download", OURS)
    assert (last.who, last.action, last.institution) == ("i1", "download", OURS)
    assert house.accounts.audit.verify().wrong is None


def test_nothing_is_given_that_cannot_be_recorded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = sent(house)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(house.accounts.audit, "append", full)
    with pytest.raises(OSError, match="disk full"):
        download(house, CLINIC, upload_id, "csv")


def test_downloads_end_and_begin_again_on_request(house: House, clock: Clock) -> None:
    upload_id = sent(house)
    received = clock.now
    clock.now = received + timedelta(days=14) - timedelta(seconds=1)
    assert download(house, CLINIC, upload_id, "csv").data
    clock.now = received + timedelta(days=14)
    for who in (CLINIC, INSURER):
        with pytest.raises(DownloadEndedError):
            download(house, who, upload_id, "csv")
        with pytest.raises(DownloadEndedError):
            encrypted_download(house, who, upload_id, "text")
    house.desk.reopen(CLINIC, upload_id)
    assert download(house, CLINIC, upload_id, "csv").data
    clock.now += timedelta(days=14)
    with pytest.raises(DownloadEndedError):
        download(house, CLINIC, upload_id, "csv")


def test_the_days_are_the_operators(tmp_path: Path, clock: Clock) -> None:
    settings = Settings(download_days=3)
    store = str(tmp_path / "store")
    with open_house(settings, store, Doorway(), commit_seconds=0.1, clock=clock) as house:
        upload_id = sent(house)
        clock.now += timedelta(days=3)
        with pytest.raises(DownloadEndedError):
            download(house, CLINIC, upload_id, "csv")


def test_what_waits_to_be_checked_is_told_as_that(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = sent(house)
    found = replace(house.desk.receipt(CLINIC, upload_id), state="waiting", answer=None)
    monkeypatch.setattr(house.desk, "receipt", lambda *_: found)
    with pytest.raises(NotReadyError):
        download(house, CLINIC, upload_id, "csv")


@pytest.mark.parametrize("upload_id", ["", "x", "../../etc/passwd", "0" * 26, "\0", "％00"])
def test_what_is_not_there_is_told_as_that(house: House, upload_id: str) -> None:
    for who in (CLINIC, INSURER):
        with pytest.raises(NotThereError):
            download(house, who, upload_id, "csv")

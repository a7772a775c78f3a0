"""``trace``: from a visit, an order or a finding back to the bytes that were sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from scenario import Scenario, run_all
from visit_records import (
    CLINIC,
    HOSPITAL,
    PERSON,
    PHARMACY,
    SOMEBODY_ELSE,
    TYPHOON,
    dispensing,
    moment,
    refill,
    special,
    visit,
)

from pipeline.cli import WRONG_USAGE, main
from pipeline.report.record_xml import record_xml, screen_lines

MORNING, DAY = moment("2025-12-20T09:30:00"), 86_400
RX = refill(HOSPITAL, PERSON, MORNING, chronic=3, legs="1")
DISPENSED = dispensing(PHARMACY, RX, MORNING + DAY, chronic="2")
MANY = [visit(HOSPITAL, SOMEBODY_ELSE, MORNING + n) for n in range(30)]
STORM = moment("2025-09-25T14:10:05")
SPECIAL = special(visit(CLINIC, PERSON, STORM), TYPHOON)
TWIN = special(visit(CLINIC, SOMEBODY_ELSE, STORM), TYPHOON)

Out = pytest.CaptureFixture[bytes]


def told() -> Scenario:
    """Every fate that a record can have."""
    story = Scenario()
    story.send(RX.broken())
    story.send(RX)
    story.send(RX.but(M44="111"))
    story.send(RX.broken())
    story.send(DISPENSED)
    story.send(RX.as_format("C"))
    story.send(RX.as_format("E"))
    story.send(RX.as_format("D"))
    story.send(*MANY)
    assert story.send(*(one.as_format("D") for one in MANY)) == "held"
    story.send(MANY[1].as_format("D"))
    story.send(SPECIAL, TWIN)
    return story


@pytest.fixture(scope="module")
def story() -> Scenario:
    return told()


@pytest.fixture(scope="module")
def store(story: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    run_all(story.sent, folder / "store", folder / "in", 40_000)
    return folder / "store"


def run(out: Out, store: Path, *arguments: str, code: int = 0) -> bytes:
    out.readouterr()
    assert main(["trace", *arguments, "--store", str(store)]) == code
    return out.readouterr().out


def traced(out: Out, store: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(run(out, store, *arguments, "--format", "json"))
    return found


def fates(trace: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["upload"]["name"], one["outcome"]) for one in trace["versions"]]


def sent_bytes(story: Scenario, found: dict[str, Any], name: str) -> bytes:
    """The bytes at a place that a trace tells of."""
    (payload,) = (one.payload for one in story.sent if one.name == name)
    at, length = int(found["byte_offset"]), int(found["byte_length"])
    return payload[at : at + length]


def test_every_version_is_told_in_order(capsysbinary: Out, store: Path, story: Scenario) -> None:
    trace = traced(capsysbinary, store, RX.id, "--clear")
    assert fates(trace) == [
        ("0000.xml", "rejected"), ("0001.xml", "put"), ("0002.xml", "put"),
        ("0003.xml", "rejected"), ("0005.xml", "cancel"), ("0006.xml", "uncancel"),
        ("0007.xml", "rejected"),
    ]  # fmt: skip
    versions = trace["versions"]
    assert [one["stands"] for one in versions] == [False, False, True, False, False, False, False]
    assert trace["stands"]["upload_id"] == versions[2]["upload"]["upload_id"]
    assert versions[1]["ended_by"] == trace["stands"] | {"outcome": "put"}
    assert [one["verdict"] for one in versions[:3]] == ["rejected", "warned", "accepted"]
    stands = [f["stands"] for f in versions[3]["findings"] if f["code"] == "Z014"]
    assert stands == [trace["stands"]]
    for version in versions:
        place = sent_bytes(story, version, version["upload"]["name"])
        assert place.startswith(b"<REC>")
        assert place.endswith(b"</REC>")
        assert version["xml"] == place.decode("cp950")
        for found in version["findings"]:
            value = sent_bytes(story, found, version["upload"]["name"]).decode("cp950")
            assert value == (found["value"] or "")


def test_a_row_of_orders_leads_to_its_bytes(capsysbinary: Out, store: Path) -> None:
    trace = traced(capsysbinary, store, RX.id, "--clear")
    rows = pl.read_delta(str(store / "tables/orders")).filter(visit_key=RX.id)
    assert [one["order_no"] for one in trace["orders"]] == rows["order_no"].to_list()
    raw = run(capsysbinary, store, RX.id, "--raw", "--clear", "--order", "1")
    assert raw.startswith(b"<MB2><D01>")
    assert raw.endswith(b"</MB2>")
    assert raw.count(b"<MB2>") == 1
    assert len(raw) == trace["orders"][0]["byte_length"]
    assert run(capsysbinary, store, RX.id, "--raw", "--clear").count(raw) == 1


def test_a_row_of_findings_leads_to_its_bytes(
    capsysbinary: Out, store: Path, story: Scenario
) -> None:
    row = pl.read_delta(str(store / "tables/findings")).filter(rule="state/earlier-version-stands")
    upload_id, record = row["upload_id"][0], str(row["record"][0])
    trace = traced(capsysbinary, store, "--upload", upload_id, "--record", record, "--clear")
    assert trace["asked"] == {"upload_id": upload_id, "record": 1}
    raw = run(capsysbinary, store, "--upload", upload_id, "--record", record, "--raw", "--clear")
    payload = story.sent[3].payload
    at, length = row["byte_offset"][0], row["byte_length"][0]
    assert payload[at : at + length] == RX.id.encode()
    assert raw in payload
    assert RX.id.encode() in raw


def test_who_dispensed_is_told(capsysbinary: Out, store: Path) -> None:
    trace = traced(capsysbinary, store, RX.id, "--clear")
    refills = {row["refill"]: row for row in trace["prescriptions"]}
    assert [refills[n]["status"] for n in (1, 2, 3)] == ["dispensed", "dispensed", "open"]
    assert (refills[2]["by_institution"], refills[2]["by_treatment_id"]) == (PHARMACY, DISPENSED.id)
    by_dispensing = traced(capsysbinary, store, DISPENSED.id, "--clear")
    assert by_dispensing["prescriptions"] == trace["prescriptions"]


def test_what_is_held_waits_and_what_is_deleted_is_gone(capsysbinary: Out, store: Path) -> None:
    waits = traced(capsysbinary, store, MANY[0].id, "--no-xml")
    assert [one["outcome"] for one in waits["versions"]] == ["put", "held"]
    assert waits["stands"] is not None
    gone = traced(capsysbinary, store, MANY[1].id, "--no-xml")
    assert [one["outcome"] for one in gone["versions"]] == ["put", "held", "delete"]
    assert gone["stands"] is None
    assert gone["versions"][0]["ended_by"]["outcome"] == "delete"
    assert "已刪除 deleted" in run(capsysbinary, store, MANY[1].id).decode()


@pytest.mark.parametrize("shape", ["text", "json"])
def test_nobody_is_named_unless_asked(capsysbinary: Out, store: Path, shape: str) -> None:
    for asked in (RX.id, DISPENSED.id):
        hidden = run(capsysbinary, store, asked, "--format", shape).decode()
        assert "<M44>" in hidden
        for secret in (PERSON, RX.id, DISPENSED.id, RX.fields["M04"], RX.fields["M14"]):
            assert secret not in hidden
        assert PERSON in run(capsysbinary, store, asked, "--format", shape, "--clear").decode()


def test_a_special_code_needs_to_be_told_apart(capsysbinary: Out, store: Path) -> None:
    candidates = run(capsysbinary, store, TYPHOON, "--clear", code=1).decode().splitlines()
    assert len(candidates) == 2
    assert all(f"--institution {CLINIC}" in line for line in candidates)
    trace = traced(capsysbinary, store, TYPHOON, "--person", PERSON, "--clear")
    assert fates(trace) == [("0011.xml", "put")]
    assert [one["record"] for one in trace["versions"]] == [1]
    assert trace["stands"]["record"] == 1
    whole = ("--institution", CLINIC, "--person", SOMEBODY_ELSE, "--moment", "2025-09-25T14:10:05")
    assert [v["record"] for v in traced(capsysbinary, store, TYPHOON, *whole)["versions"]] == [2]


def test_nothing_found_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = visit(HOSPITAL, PERSON, MORNING + 7).id
    assert main(["trace", nobody, "--store", str(store)]) == 1
    assert "沒有任何上傳提到這筆就醫" in capsys.readouterr().err
    assert main(["trace", nobody, "--store", str(store), "--mode", "precheck"]) == 1
    assert main(["trace", "--upload", "0" * 26, "--record", "1", "--store", str(store)]) == 64
    assert main(["trace", RX.id, "--store", str(store), "--raw"]) == WRONG_USAGE
    assert main(["trace", "A123456789", "--store", str(store)]) == WRONG_USAGE
    assert main(["trace", RX.id, "--upload", "x", "--store", str(store)]) == WRONG_USAGE


def test_how_far_was_searched_is_told(capsysbinary: Out, store: Path) -> None:
    searched = traced(capsysbinary, store, RX.id)["searched"]
    assert searched["complete"]
    assert searched["institutions"] == [HOSPITAL]
    less = traced(capsysbinary, store, RX.id, "--most-uploads", "0")
    assert not less["searched"]["complete"]
    # what findings on M15 show is known without a search
    assert ("0003.xml", "rejected") in fates(less)
    assert ("0000.xml", "rejected") not in fates(less)


def test_a_visit_that_was_only_rejected_is_found_by_ids_alike(
    capsysbinary: Out, tmp_path: Path
) -> None:
    story = Scenario()
    story.send(RX)
    never = visit(HOSPITAL, SOMEBODY_ELSE, MORNING + DAY)
    story.send(never.broken())
    run_all(story.sent, tmp_path / "store", tmp_path / "in", 40_000)
    trace = traced(capsysbinary, tmp_path / "store", never.id)
    assert fates(trace) == [("0001.xml", "rejected")]
    assert trace["searched"]["guessed"]


def test_prechecks_have_a_trace_of_their_own(capsysbinary: Out, tmp_path: Path) -> None:
    story = Scenario(precheck=True)
    story.send(RX)
    story.send(RX.broken())
    run_all(story.sent, tmp_path / "store", tmp_path / "in", 40_000)
    trace = traced(capsysbinary, tmp_path / "store", RX.id, "--mode", "precheck")
    assert [fate for _, fate in fates(trace)] == ["put", "rejected"]
    assert trace["versions"][0]["stands"]


def test_no_sender_can_steer_a_terminal() -> None:
    assert screen_lines("<M50>\u009b2J\u202ea\x07</M50>\r\n") == [
        "<M50>\\u009b2J\\u202ea\\u0007</M50>", "",
    ]  # fmt: skip


def test_no_markup_hides_an_id_from_the_mask() -> None:
    for value in (PERSON, f"<![CDATA[{PERSON}]]>", f"A&#49;{PERSON[2:]}", f"{PERSON[:3]}<!-- -->"):
        shown = record_xml(f"<M03 >{value}</M03><M50>{PERSON}</M50>", clear=False)
        assert value not in shown
        assert PERSON[2:] not in shown

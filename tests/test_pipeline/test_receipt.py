"""The text receipt, read back the way the tools in use read it."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.core import process
from pipeline.outcome import Envelope
from pipeline.report.answer import Answer, Finding, answer_of
from pipeline.report.receipt import Head, finding_text, head_of, receipt, roc_moment
from rules import load_plan
from rules.codes import error_codes
from schemas import VISIT_FIELDS

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
TAIPEI = ZoneInfo("Asia/Taipei")
AS_OF = datetime(2025, 5, 1, 12, tzinfo=TAIPEI)
FINDING = re.compile(r"(?P<field>[^:;\[\]]+)(?:\[(?P<order>[0-9]+)\])?:(?P<code>[0-9A-Z]+);")


@dataclass(frozen=True)
class Block:
    number: int
    values: dict[str, str]
    findings: list[tuple[str, str | None, str]]


@dataclass(frozen=True)
class Read:
    head: list[str]
    blocks: list[Block]
    legend: str


def read_receipt(data: bytes) -> Read:
    """The reader in the wild: 75 equals signs, twelve brackets, patterns, blanks dropped."""
    text = data.decode("cp950")
    assert "\n" not in text.replace("\r\n", "")
    head, *blocks, legend = text.split("=" * 75 + "\r\n")
    assert "檢核結果" in head
    values = re.findall(r"\[(.*?)\]", head)
    assert len(values) == 12
    return Read(values, [_block(b) for b in blocks if re.search(r"第\[.*?\]筆", b)], legend)


def _block(text: str) -> Block:
    body, _, reasons = text.partition("錯誤原因:")
    assert "錯誤原因:" not in reasons
    packed = re.sub(r"\s", "", reasons)
    found = [(m["field"], m["order"], m["code"]) for m in FINDING.finditer(packed)]
    assert "".join(m[0] for m in FINDING.finditer(packed)) == packed
    values = {f: re.findall(rf"{f}=\[ (.*?) \]", body) for f in VISIT_FIELDS}
    assert all(len(v) <= 1 for v in values.values())
    number = re.findall(r"第\[(.*?)\]筆", text)
    assert len(number) == 1
    return Block(int(number[0]), {f: v[0] for f, v in values.items() if v}, found)


def answer_to(payload: bytes, received: datetime = AS_OF, name: str = "upload.xml") -> Answer:
    processed = process(payload, Envelope(received, name=name), load_plan())
    return answer_of(processed, 0, "0" * 64, "0.1.0")


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


MIXED = sample("14_mixed_batch_with_errors.xml")


def changed(field: str, value: str, record: int = 2) -> bytes:
    """Sample 14 with a field put into (or changed in) one of its faulty records."""
    text = MIXED.decode("cp950")
    parts = text.split("<REC>")
    inner = re.sub(rf"<{field}>.*?</{field}>", "", parts[record])
    parts[record] = inner.replace("</MB1>", f"<{field}>{value}</{field}></MB1>")
    return "<REC>".join(parts).encode("cp950", "xmlcharrefreplace")


def test_sample_14_is_answered_as_expected_byte_for_byte() -> None:
    """The expected file shows the moment of receipt eight hours late: 20:00 for 12:00 in Taipei."""
    expected = sample("14_expected_receipt.txt")
    answer = answer_to(MIXED)
    head = head_of(answer)
    assert (head.institution, head.sam_id) == ("3999019987", "000039990199")
    assert roc_moment(head.received_at) == "1140501120000"
    later = head.received_at + timedelta(hours=8)
    got = receipt(answer, replace(head, uploaded_at=later, received_at=later))
    assert got[: len(expected)] == expected
    assert (
        got[len(expected) :]
        .decode("cp950")
        .startswith("欄位與中文對照表\r\n<M01>: 安全模組代碼\r\n")
    )


def test_the_reader_finds_every_record_value_and_finding() -> None:
    read = read_receipt(receipt(answer_to(MIXED)))
    assert read.head[3:6] == ["1140501120000", f"{len(MIXED):<8}", f"{10:<12}"]
    assert read.head[9:] == [f"{1:<8}", f"{8:<9}", f"{9:<8}"]
    assert [block.number for block in read.blocks] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert read.blocks[4].findings == [("D01", "1", "BE"), ("D09", "1", "D041")]
    assert read.blocks[0].values["M03"] == "B299999983"
    assert read.blocks[0].values["M15"] == "NULL"
    assert "M14" not in read.blocks[0].values


def test_the_legend_names_every_code() -> None:
    legend = read_receipt(receipt(answer_to(MIXED))).legend
    cells = re.findall(r"^\[(.{4,})\]: (.+)$", legend, re.M)
    assert [code.rstrip() for code, _ in cells][: len(error_codes())] == list(error_codes())
    assert all(len(code) == 4 for code, _ in cells)
    lines = legend.split("錯誤代碼:中文對照註釋")[0].split("\r\n")[1:-1]
    assert lines[0].startswith("<M01>")
    assert all(line.count("<") <= 3 for line in lines[1:])


def test_a_good_upload_has_no_blocks() -> None:
    read = read_receipt(receipt(answer_to(sample("01_cm_clinic_normal_A.xml"))))
    assert read.blocks == []
    assert read.head[9:] == [f"{1:<8}", f"{3:<9}", f"{0:<8}"]


def test_m57_is_echoed_where_it_was_sent() -> None:
    read = read_receipt(receipt(answer_to(changed("M57", "A1"))))
    assert read.blocks[0].values["M57"] == "A1"
    assert "M57" not in read.blocks[1].values


@pytest.mark.parametrize(
    "value",
    [
        "=" * 75,
        "] M15=[ A199999999 ]",
        "第[99]筆",
        "錯誤原因:M15:AA;",
        "a&#10;" + "=" * 75 + "&#10;第[7]筆",
        "x" * 5000,
        "王&#x1F600;堃&#x9b;2J",
        "&#x202e;",
    ],
)
def test_no_value_can_pretend_to_be_layout(value: str) -> None:
    read = read_receipt(receipt(answer_to(changed("M50", value))))
    assert [block.number for block in read.blocks] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert read.blocks[0].values["M03"] == "B299999983"
    assert len(read.blocks[0].values["M50"]) <= 300


def test_characters_outside_big5_are_seen_to_be_missing() -> None:
    read = read_receipt(receipt(answer_to(changed("M50", "&#x1F600;"))))
    assert "□" in read.blocks[0].values["M50"]


def test_an_element_name_can_not_break_the_grammar() -> None:
    text = MIXED.replace(b"</MB1>", b"<a.b-c>1</a.b-c></MB1>", 1)
    read = read_receipt(receipt(answer_to(text)))
    assert read.blocks[0].findings == [("a.b-c", None, "Y004")]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("15_bad_no_closing_RECS.xml", "Y007"),
        ("16_bad_two_RECS.xml", "Y015"),
        ("17_bad_utf8.xml", "Y014"),
    ],
)
def test_a_refused_upload_says_where_and_why(name: str, code: str) -> None:
    answer = answer_to(sample(name))
    assert answer.refusal is not None
    data = receipt(answer)
    read = read_receipt(data)
    assert read.blocks == []
    assert read.head[9:] == [f"{0:<8}", f"{0:<9}", f"{0:<8}"]
    assert f"錯誤原因:{code};\r\n" in data.decode("cp950")
    assert f"第{answer.refusal.line}行" in data.decode("cp950")


def test_many_findings_wrap_and_are_still_read() -> None:
    answer = answer_to(MIXED)
    many = [Finding(2, k, "D05", "AF", "reject", "x", 0, 0, "1") for k in range(1, 501)]
    read = read_receipt(receipt(replace(answer, findings=many)))
    assert read.blocks[0].findings == [("D05", str(k), "AF") for k in range(1, 501)]
    assert all(len(line) <= 80 for line in receipt(answer).decode("cp950").split("\r\n")[6:])


def test_finding_grammar() -> None:
    on_record = Finding(1, None, "M15", "AA", "reject", "r", 0, 0, None)
    assert finding_text(on_record) == "M15:AA;"
    assert finding_text(replace(on_record, field="D05", order=1, code="AF")) == "D05[1]:AF;"
    assert finding_text(replace(on_record, field="MB2", code="Y012")) == "MB2:Y012;"


def test_head_is_cut_to_its_columns() -> None:
    answer = answer_to(MIXED)
    read = read_receipt(receipt(answer, Head("9" * 30, "]=[" * 9, AS_OF, AS_OF)))
    assert read.head[0] == "9" * 10
    assert len(read.head[1]) == 12

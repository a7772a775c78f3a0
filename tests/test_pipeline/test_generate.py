"""A generated set: repeatable, of the size asked for, right or wrong exactly as it says."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from answers import answers, comparable
from lxml import etree

from pipeline.generate import DEFAULT_AS_OF, Summary, generate
from pipeline.taipei import TAIPEI
from schemas import xsd

REC = re.compile(rb"<REC>.*?</REC>", re.DOTALL)
FIELD = re.compile(rb"<([HM]\d\d)>([^<]*)<")
NAME = re.compile(r"upload-\d{5}-[0-9A-Z]{10}\.xml")


def files(out: Path) -> list[Path]:
    return sorted(out.glob("*.xml"))


def expected(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "expected.jsonl").read_text().splitlines()]


def visits(out: Path) -> list[dict[str, str]]:
    """The visit fields of every record, in the order they would be taken in."""
    return [
        {k.decode(): v.decode("cp950") for k, v in FIELD.findall(record)}
        for path in files(out)
        for record in REC.findall(path.read_bytes())
    ]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A set without faults."""
    out = tmp_path_factory.mktemp("right")
    return out, generate(6000, 60, 11, 0.0, out)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A set in which every fifth record has a fault."""
    out = tmp_path_factory.mktemp("wrong")
    return out, generate(4000, 60, 12, 0.2, out)


def test_right_records_give_no_finding(right: tuple[Path, Summary]) -> None:
    out, made = right
    assert_as_expected(out)
    assert sum(len(line["findings"]) for line in expected(out)) == 0
    assert (made.refused, made.faulty, made.records) == (0, 0, 6000)


def test_every_planted_fault_is_found_where_it_was_planted(wrong: tuple[Path, Summary]) -> None:
    out, made = wrong
    assert_as_expected(out)
    assert made.refused == sum(line["refusal"] is not None for line in expected(out)) > 0
    assert 0.15 < made.faulty / made.records < 0.25


def assert_as_expected(out: Path) -> None:
    """The engine answers as the set says, on every count and finding."""
    lines = expected(out)
    as_of = datetime.fromisoformat(json.loads((out / "manifest.json").read_text())["as_of"])
    names = [line["upload"] for line in lines]
    got = answers(names, [(out / name).read_bytes() for name in names], as_of)
    pairs = zip(map(comparable, got), map(comparable, lines), strict=True)
    differing = [(g, e) for g, e in pairs if g != e]
    assert differing == []


def test_sizes_and_names_are_as_asked(right: tuple[Path, Summary]) -> None:
    out, made = right
    assert len(files(out)) == made.uploads == 60
    assert all(NAME.fullmatch(path.name) for path in files(out))
    assert made.bytes == sum(path.stat().st_size for path in files(out))
    assert made.records == sum(line["counts"]["records"] for line in expected(out))
    assert made.orders == sum(line["counts"]["orders"] for line in expected(out))


def test_few_uploads_hold_most_records(right: tuple[Path, Summary]) -> None:
    sizes = sorted((line["counts"]["records"] for line in expected(right[0])), reverse=True)
    assert sum(sizes[:6]) > 0.5 * sum(sizes)
    assert sizes[len(sizes) // 2] < 60


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate(300, 10, seed, 0.1, tmp_path / name)
    first, again, other = ([p.read_bytes() for p in files(tmp_path / n)] for n in "abc")
    assert first == again
    assert first != other


def test_right_uploads_fit_the_xsd(right: tuple[Path, Summary]) -> None:
    schema = etree.XMLSchema(etree.fromstring(xsd.text().encode()))
    for path in files(right[0]):
        text = re.sub(r"\A<\?xml[^>]*\?>", "", path.read_bytes().decode("cp950"))
        schema.assertValid(etree.fromstring(text.encode()))


def test_the_set_is_varied(right: tuple[Path, Summary]) -> None:
    records = visits(right[0])
    assert {v["H01"] for v in records} == set("ABCDE")
    assert {v["H00"] for v in records} >= {"1", "2", "5"}
    assert len({v["M07"] for v in records}) >= 18
    text = b"".join(path.read_bytes() for path in files(right[0]))
    assert "許功蓋".encode("cp950") in text  # three characters that end in 0x5C
    assert len({path.read_bytes()[:60].replace(b"Big5", b"") for path in files(right[0])}) >= 3


def test_treatment_ids_are_minted_once_and_reused_on_purpose(right: tuple[Path, Summary]) -> None:
    first: dict[str, dict[str, str]] = {}
    again: Counter[str] = Counter()
    for visit in visits(right[0]):
        known = first.setdefault(visit["M15"], visit)
        if known is not visit:
            again[visit["H01"]] += 1
            assert visit["M05"] == known["M05"]
            assert visit["M03"] == known["M03"]
            assert visit["M11"] == known["M11"]
    assert again["A"] > 0
    assert again["D"] > 0
    assert again["C"] > 0


def test_deletes_cancels_and_undos_come_after_what_they_are_about(
    right: tuple[Path, Summary],
) -> None:
    live: set[str] = set()
    cancelled: set[str] = set()
    for visit in visits(right[0]):
        key, data_format = visit["M15"], visit["H01"]
        if data_format in "AB":
            live.add(key)
        elif data_format == "D":
            live.remove(key)
        elif data_format == "C":
            assert key in live - cancelled
            cancelled.add(key)
        else:
            cancelled.remove(key)


def test_refills_are_dispensed_once_each_and_in_order(right: tuple[Path, Summary]) -> None:
    dispensed: dict[str, list[int]] = defaultdict(list)
    issued: dict[str, int] = {}
    for visit in visits(right[0]):
        number = visit.get("M33") or visit.get("M34")
        if visit["H01"] not in "AB":
            continue
        if visit["M07"] in ("AE", "AF") and number and visit["M16"] in issued:
            if int(number) not in dispensed[visit["M16"]]:  # else a correction of the dispensing
                dispensed[visit["M16"]].append(int(number))
        elif visit.get("M26") or visit.get("M29"):
            issued[visit["M15"]] = int(number or 0)
    assert len(dispensed) > 5
    for key, numbers in dispensed.items():
        assert numbers == list(range(issued[key] + 1, issued[key] + 1 + len(numbers)))


def test_visits_are_before_receipt_whatever_the_moment(tmp_path: Path) -> None:
    as_of = datetime(2026, 1, 1, 0, 30, tzinfo=TAIPEI)
    generate(400, 6, 3, 0.0, tmp_path, as_of)
    assert_as_expected(tmp_path)


@pytest.mark.parametrize(
    ("records", "uploads", "faults", "as_of", "said"),
    [
        (10, 0, 0.0, DEFAULT_AS_OF, "uploads"),
        (9, 10, 0.0, DEFAULT_AS_OF, "records"),
        (10, 1, 1.5, DEFAULT_AS_OF, "faults"),
        (10, 1, 0.0, DEFAULT_AS_OF.replace(tzinfo=None), "time zone"),
        (10, 1, 0.0, datetime(2024, 6, 1, tzinfo=TAIPEI), "2025-03-01"),
    ],
)
def test_arguments_out_of_range_are_named(
    records: int, uploads: int, faults: float, as_of: datetime, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        generate(records, uploads, 1, faults, tmp_path / "out", as_of)
    assert not (tmp_path / "out").exists()

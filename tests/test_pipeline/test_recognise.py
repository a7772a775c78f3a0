"""Which version an upload is in, told by its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import SEED_DOCUMENTS, SEED_DOCUMENTS_V1

from pipeline.parse.recognise import by_version, recognise
from schemas import V1, V2, Version

SAMPLES = Path(__file__).parents[1] / "fixtures"
V1_RECORD = b"<RECS><REC><MSH><A00>1</A00></MSH>"


@pytest.mark.parametrize(
    ("payload", "version"),
    [
        (V1_RECORD, V1),
        (b'<?xml version="1.0" encoding="Big5"?>\r\n<RECS>\r\n<REC>\r\n<MSH>\r\n<A01>1</A01>', V1),
        (b"<!-- H00 <H00>1</H00> -->" + V1_RECORD, V1),
        (b"<!-- A00 <A00>1</A00> --><RECS><REC><MSH><H00>1</H00></MSH>", V2),
        (b"<RECS><REC><MSH><H00>1</H00><A00>1</A00></MSH>", V2),
        (b"<RECS><REC><MSH/><MB><MB1><A12/></MB1>", V1),
        (b"<RECS><REC><MB><MB1><M03>x</M03><A12/></MB1>", V2),
        (b"<RECS><REC><MSH><A03>1</A03><H00>1</H00></MSH>", V2),
        (b"<RECS><REC><MSH><R01>1</R01></MSH></REC></RECS>", V2),
        (b"", V2),
        (b"no XML at all", V2),
        (b"<RECS>" + b"<x>" * 5_000, V2),
        (b"<RECS><REC><MSH>" + b"<q/>" * 5_000 + b"<A00>1</A00>", V2),
        (b"<\xff\xff>" + V1_RECORD, V2),
        ("<RECS><REC><中文/><MSH><A00>1</A00>".encode("cp950"), V1),
        (b"<!DOCTYPE RECS>" + V1_RECORD, V1),
    ],
)
def test_the_first_field_that_one_version_has_tells(payload: bytes, version: Version) -> None:
    assert recognise(payload) is version


def test_seeds_and_samples_are_what_they_are() -> None:
    assert {recognise(seed) for seed in SEED_DOCUMENTS[:3]} == {V2}
    assert {recognise(seed) for seed in SEED_DOCUMENTS_V1} == {V1}
    for path in (SAMPLES / "samples").glob("*.xml"):
        assert recognise(path.read_bytes()) is V2, path
    for path in (SAMPLES / "samples_v1").glob("*.xml"):
        assert recognise(path.read_bytes()) is V1, path


def test_places_by_version() -> None:
    assert by_version([V1_RECORD, b"", V1_RECORD]) == {V1: [0, 2], V2: [1]}


def test_a_hostile_upload_is_not_read_to_its_end() -> None:
    comment = b"<!--" + b"x" * 30_000_000
    assert recognise(comment) is V2
    assert recognise(b"<RECS>" + b"<" * 1_000_000) is V2


def test_only_the_head_is_looked_at() -> None:
    header = b"<RECS><REC><MSH><A00>1</A00>"
    assert recognise(b" " * 60_000 + header) is V1
    assert recognise(b" " * 70_000 + header) is V2  # whoever writes so much before it gets Y004

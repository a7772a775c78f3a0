"""What the door of a stream rests on: keys in claims, decisions in claims, receipts as messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.messages import Claim, PoisonError, claim_of, pack, pack_claim
from pipeline.stream.receipts import findings_of, receipt_of
from pipeline.stream.staging import Receipt
from pipeline.stream.twins import Recent
from pipeline.upload_ids import new_upload_id, received_of, upload_id_of
from schemas.tables import FINDINGS, UPLOADS

NOW = datetime(2025, 12, 21, 13, 5, 7, 123_000, tzinfo=UTC)
CLAIM = Claim(
    upload_id_of(NOW, b"key"), "ab" * 32, 10, NOW, "1199010011", "web-api", "official", "a.xml"
)
DECISION = replace(CLAIM, decision=("release", "A. Chen", NOW.isoformat()))


def test_an_id_tells_its_moment() -> None:
    assert received_of(CLAIM.upload_id) == NOW
    assert received_of(new_upload_id(NOW)) == NOW


def test_a_key_with_other_bytes_is_taken_by_nobody() -> None:
    recent = Recent(100)
    other = replace(CLAIM, sha256="cd" * 32)
    assert recent.first(0, CLAIM) is None
    for claim, same in ((CLAIM, True), (other, False), (replace(CLAIM, mode="precheck"), False)):
        assert recent.known(claim) == (0, CLAIM.upload_id, same)
        assert recent.first(1, claim) == (0, CLAIM.upload_id, same)


def test_a_decision_repeats_no_upload_but_an_earlier_decision() -> None:
    recent = Recent(100)
    dropped = replace(CLAIM, decision=("drop", None, NOW.isoformat()))
    assert recent.first(0, CLAIM) is None
    assert recent.first(1, DECISION) is None
    assert recent.first(2, dropped) == (1, CLAIM.upload_id, True)
    assert recent.first(3, CLAIM) == (0, CLAIM.upload_id, True)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 10))
def test_what_would_be_repeated_is_what_is_repeated(keys: list[int], reach: int) -> None:
    recent = Recent(reach)
    for offset, key in enumerate(keys):
        claim = replace(CLAIM, upload_id=f"{offset:010}{key:016}")
        first = recent.first(offset, claim)
        wanted = [at for at in range(max(0, offset - reach), offset) if keys[at] == key]
        assert (first and first.offset) == (wanted[0] if wanted else None)


def test_a_decision_travels() -> None:
    assert claim_of(pack_claim(DECISION)) == DECISION
    assert DECISION.released
    assert not CLAIM.released
    assert replace(DECISION, decision=("drop", None, NOW.isoformat())).dropped


@pytest.mark.parametrize(
    "decision", [[], ["release"], ["keep", None, NOW.isoformat()], ["drop", None, "soon"], 7]
)
def test_a_decision_of_other_things_is_poison(decision: object) -> None:
    with pytest.raises(PoisonError):
        claim_of(pack("claim", CLAIM.header() | {"decision": decision}))


def test_a_receipt_travels() -> None:
    row = dict.fromkeys(UPLOADS.names) | {
        "upload_id": CLAIM.upload_id, "received_at": NOW, "status": "done", "sequence": 7,
    }  # fmt: skip
    found = dict.fromkeys(FINDINGS.names) | {
        "upload_id": CLAIM.upload_id, "received_date": NOW.date(), "record": 1,
    }  # fmt: skip
    message = pack("receipt", {"upload": row, "findings": [found]})
    receipt = receipt_of(message)
    assert receipt == Receipt(row, [found])
    assert findings_of(receipt).to_pylist() == [found]
    for bad in (pack("part", {}), pack("receipt", {"upload": {}}), b"", message[:-1]):
        with pytest.raises(PoisonError):
            receipt_of(bad)

"""What is said of a stream: for people and for machines."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from visit_records import CLINIC

from pipeline.report.stream_words import (
    letter_json,
    letter_line,
    renewal_lines,
    status_json,
    status_lines,
)
from pipeline.stream.admin import Member
from pipeline.stream.letters import Failed, Poison
from pipeline.stream.losses import Loss
from pipeline.stream.messages import Claim
from pipeline.stream.renew import Renewal
from pipeline.stream.status import GROUPS, STAGES, Oldest, Place, Status
from pipeline.stream.topics import Stream

STREAM = Stream(0, ways=2, partitions=2)
NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)
UPLOAD = "01KCH1HA40AV58ZWJKFF6C8NVT"
THROUGH = dict(zip(STAGES, (1_200, 1_200, 1_000, 1_000, 900, 300), strict=True))
MEMBERS = {group: [Member("worker-1", "10.0.0.1", (0, 1))] for group in GROUPS}


def a_claim(name: str) -> Claim:
    return Claim(UPLOAD, "ab" * 32, 10, NOW, CLINIC, "vpn", "official", name)


def test_a_stream_that_moves() -> None:
    places = [Place("uploads", 0, 0, 50, 40), Place("uploads", 1, 20, 50, 0)]
    status = Status(
        STREAM, [], THROUGH, places, MEMBERS, Oldest(UPLOAD, 61.4), Oldest(None, 300.0), NOW
    )
    text = "\n".join(status_lines(status))
    assert "           1,000           200  檢核 checked  worker-1 (2)" in text
    assert "記錄 recorded  領導 leads: worker-1 (10.0.0.1)" in text
    assert "uploads   10 30" in text  # what is not kept any more does not lag
    assert f"{UPLOAD}（61 秒 s）" in text
    assert "✓ 進行中 it moves" in text
    assert "✗" not in text
    told = orjson.loads(orjson.dumps(status_json(status)))
    assert told["moves"] is True
    assert told["through"]["committed"] == 300
    assert told["untabled"] == {"upload_id": None, "seconds": 300.0}


def test_a_stream_that_stands() -> None:
    idle = Member("worker-2", "10.0.0.2", ())
    status = Status(
        STREAM, [], THROUGH, (), MEMBERS | {"record": [idle]}, stands=["recorded", "committed"]
    )
    text = "\n".join(status_lines(status))
    assert "✗ 沒有程序 nobody: record" in text
    assert "✗ 停住 stands: 記錄 recorded" in text
    assert "✗ 停住 stands: 寫入資料表 in the tables" in text
    assert "✓" not in text
    assert status_json(status)["stands"] == ["recorded", "committed"]


def test_a_stream_that_lost_something() -> None:
    status = Status(STREAM, [Loss("nhi-verdicts", 1, 20, 0, 7)], {"committed": 300})
    text = "\n".join(status_lines(status))
    assert "nhi-verdicts/1: 20, Kafka 0…7" in text
    assert "nobody" not in text
    assert status_json(status)["lost"][0]["wanted"] == 20


def test_letters_tell_what_why_and_where_without_ids_of_people() -> None:
    poison = Poison(3, NOW.timestamp(), "cut short", "nhi-uploads", 2, 17)
    assert letter_line(poison, False) == (
        "     3  2026-03-20 12:00:00  無法讀取 poison  nhi-uploads/2/17  cut short"
    )
    failed = Failed(4, NOW.timestamp(), "ValueError", a_claim("A123456789.xml"), 9, partly=True)
    assert "尚未收下 not taken since" in letter_line(failed, True)
    assert "已另收下 taken since" in letter_line(failed, False)
    told = orjson.dumps(letter_json(failed, True)).decode()
    assert '"taken_since":false' in told
    assert "A123456789" not in told


def test_what_beginning_anew_comes_to() -> None:
    claims = [a_claim(f"{at}.xml") for at in range(30)]
    renewal = Renewal(
        STREAM, Stream(0, "nhi2-", begun=300), [Loss("nhi-records", 0, 5, 0, 0)], 100, 350,
        claims, claims[:25], ["cd" * 32],
    )  # fmt: skip
    text = "\n".join(renewal_lines(renewal))
    assert "串流 stream nhi- → nhi2-" in text
    assert "remembered: 250；由存檔再送 sent again from the archive: 5" in text
    assert "will fail: 25" in text
    assert "… 5（--format json）" in text
    assert "cd" * 32 in text

"""What tables and receipts of a stream say in the end, to hold against the slow replay."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.stream.broker import Reader
from pipeline.stream.messages import unpack
from pipeline.stream.process import Options
from pipeline.stream.topics import Stream
from tests.oracle.replay import Replay
from tests.oracle.replay_tables import Tables, expected, read, stored

Row = dict[str, Any]


def assert_as_replayed(store: Path, replay: Replay) -> None:
    """The tables say of the uploads of a mode what the replay says.

    Sequences are counted again: numbers may be missing where a claim came twice.
    """
    of_store, of_replay = _counted_again(store, replay.precheck), expected(replay)
    for name, rows in of_replay.items():
        lost = [row for row in rows if row not in set(of_store[name])]
        more = [row for row in of_store[name] if row not in set(rows)]
        assert of_store[name] == rows, f"{name}: {lost[:1]} {more[:1]}"


def _counted_again(store: Path, precheck: bool) -> Tables:
    uploads = read(store, "uploads")
    mode = "precheck" if precheck else "official"
    mine = uploads.filter((pl.col("mode") == mode) & pl.col("redelivery_of").is_null())
    ranks = {at: n for n, at in enumerate(mine["sequence"].sort(), start=1)}
    ids = mine["upload_id"]

    def of_mine(_: Path, name: str) -> pl.DataFrame:
        rows = read(store, name)
        if "upload_id" in rows.columns and name in ("uploads", "findings", "held"):
            rows = rows.filter(pl.col("upload_id").is_in(ids.implode()))
        if "sequence" in rows.columns:
            rows = rows.with_columns(pl.col("sequence").replace(ranks))
        return rows

    return stored(store, precheck, of_mine)


def receipts(options: Options, stream: Stream) -> dict[str, Row]:
    """The receipt of every upload id; it may have come several times, always the same."""
    found = defaultdict[str, list[Row]](list)
    topic = stream.topic("receipts")
    with Reader(options.cluster, topic) as reader:
        ends = {number: reader.bounds(number)[1] for number in range(stream.topics[topic])}
        reader.start_at(dict.fromkeys(ends, 0))
        left = {number for number, end in ends.items() if end}
        while left:
            for message in reader.read(1_000, 5.0):
                _, header, _ = unpack(message.value)
                found[header["upload"]["upload_id"]].append(header)
                if message.offset + 1 >= ends[message.partition]:
                    left.discard(message.partition)
    for upload_id, told in found.items():
        assert all(one == told[0] for one in told), f"{upload_id} was told two things"
    return {upload_id: told[0] for upload_id, told in found.items()}


def assert_told(store: Path, told: dict[str, Row]) -> None:
    """Every row of ``uploads`` has its receipt, which says what the tables say."""
    rows = {row["upload_id"]: row for row in read(store, "uploads").to_dicts()}
    assert len(rows) == len(read(store, "uploads"))
    stored = {upload_id for upload_id, one in told.items() if one["upload"]["status"] != "failed"}
    assert stored == rows.keys()
    findings = defaultdict[str, list[str]](list)
    for row in read(store, "findings").to_dicts():
        findings[row["upload_id"]].append(_text(row))
    for upload_id, row in rows.items():
        assert _text(told[upload_id]["upload"]) == _text(row)
        assert sorted(map(_text, told[upload_id]["findings"])) == sorted(findings[upload_id])


def _text(row: Row) -> str:
    plain = {k: _plain(k, value) for k, value in row.items() if value is not None}
    return repr(sorted(plain.items()))


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if name == "received_at":
        return datetime.fromisoformat(str(value)).timestamp()
    return str(value)

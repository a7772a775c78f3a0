"""PURE: what the check and the merge came to, as messages to the recorder and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.merge.changes import Changes, GoneRows, NewRows
from pipeline.outcome import Decision
from pipeline.results import upload_rows
from pipeline.stream.merging import Applied, Part
from pipeline.stream.messages import PoisonError, number_in, pack, pack_table, unpack_table
from schemas.tables import FINDINGS

PART, CHECKED, MARK = "part", "checked", "mark"


@dataclass(frozen=True)
class Checked:
    """What the check came to for one upload: its row of ``uploads`` as if nothing were merged, and
    its rows of ``findings``. ``first``: the sequence of the upload that it repeats.

    ``decision``: as in ``Claim``; the row is that of the upload as it is taken now.
    """

    row: dict[str, Any]
    findings: pa.Table | None
    first: int | None = None
    decision: tuple[Decision, str | None, str] | None = None


def pack_checked(sequence: int, checked: Checked) -> bytes:
    """A message of the check."""
    blobs = [] if checked.findings is None else [pack_table(checked.findings)]
    header = {
        "sequence": sequence, "row": checked.row, "first": checked.first,
        "decision": checked.decision,
    }  # fmt: skip
    return pack(CHECKED, header, blobs)


def checked_of(header: Mapping[str, Any], blobs: list[bytes]) -> Checked:
    """Back from a message. Raises ``PoisonError``."""
    try:
        findings = unpack_table(blobs[0]).cast(FINDINGS) if blobs else None
        row = {**header["row"], "received_at": datetime.fromisoformat(header["row"]["received_at"])}
        upload_rows([row])
        decision = header["decision"]
        return Checked(row, findings, header["first"], tuple(decision) if decision else None)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise PoisonError("no check") from error


def pack_mark(through: int, way: int) -> bytes:
    """A way has delivered everything up to this sequence."""
    return pack(MARK, {"through": through, "way": way})


def pack_part(part: Part, low: int) -> bytes:
    """A message of the merge. ``low``: no record above ``part.through`` lies at a lower offset of
    the partition's records."""
    tables = list[pa.Table]()

    def keep(table: pa.Table) -> int:
        tables.append(table)
        return len(tables) - 1

    applied = [
        {
            "track": one.track, "visits": _changes(one.visits, keep),
            "ledger": _changes(one.ledger, keep), "history": keep(one.history),
        }
        for one in part.applied
    ]  # fmt: skip
    header = {
        "through": part.through, "low": low, "applied": applied,
        "findings": [keep(table) for table in part.findings if len(table)],
        "recounted": [[at, *counts] for at, counts in part.recounted.items()],
        "held": [[at, *why] for at, why in part.held.items()], "failed": part.failed,
    }  # fmt: skip
    return pack(PART, header, [pack_table(table) for table in tables])


def part_of(header: Mapping[str, Any], blobs: list[bytes]) -> tuple[Part, int]:
    """A part and its ``low``, back from a message. Raises ``PoisonError``."""
    try:
        tables = [unpack_table(blob) for blob in blobs]
        applied = tuple(
            Applied(
                one["track"], _unchanged(one["visits"], tables), _unchanged(one["ledger"], tables),
                tables[one["history"]],
            )
            for one in header["applied"]
        )  # fmt: skip
        part = Part(
            number_in(header, "through"), applied,
            tuple(tables[at].cast(FINDINGS) for at in header["findings"]),
            {at: (a, w, r) for at, a, w, r in header["recounted"]},
            {at: (month, deletes, live) for at, month, deletes, live in header["held"]},
            tuple(header["failed"]),
        )  # fmt: skip
        return part, number_in(header, "low")
    except (KeyError, TypeError, ValueError, IndexError, pa.ArrowException) as error:
        raise PoisonError("no part") from error


def _changes(changes: Changes, keep: Any) -> dict[str, Any]:
    return {
        "gone": [
            [one.partition, keep(pa.table({"key": one.keys, "sequence": one.sequences}))]
            for one in changes.gone
        ],
        "new": [
            [partition, [keep(table) for table in one.at(partition)]]
            for one in changes.new
            for partition in one.where
        ],
    }


def _unchanged(header: Mapping[str, Any], tables: list[pa.Table]) -> Changes:
    return Changes(tuple(_gone(header, tables)), tuple(_new(header, tables)))


def _gone(header: Mapping[str, Any], tables: list[pa.Table]) -> Iterator[GoneRows]:
    for (month, bucket), at in header["gone"]:
        rows = tables[at]
        yield GoneRows((month, bucket), rows["key"].combine_chunks(), rows["sequence"].to_numpy())


def _new(header: Mapping[str, Any], tables: list[pa.Table]) -> Iterator[NewRows]:
    for (month, bucket), at in header["new"]:
        yield NewRows.of((month, bucket), tuple(tables[index] for index in at))

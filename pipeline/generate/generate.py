"""EDGE: write a synthetic country into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import orjson

from pipeline.generate.chains import Books, Market
from pipeline.generate.country import Population
from pipeline.generate.desk import OLDEST_DAYS, Desk, Signatures
from pipeline.generate.moments import DAY, moment_of
from pipeline.generate.plan import Upload, plan_uploads
from pipeline.generate.write import Written, write_upload
from pipeline.taipei import TAIPEI

DEFAULT_AS_OF = datetime(2025, 11, 20, 21, 0, tzinfo=TAIPEI)
EARLIEST_AS_OF = datetime(2025, 3, 1, tzinfo=TAIPEI)
"""Earlier sets would reach back into 2024, when some rules had other wordings."""

_VISITS_PER_PERSON = 2


@dataclass(frozen=True)
class Summary:
    """What was written. ``refused`` uploads are those planted to be refused as a whole."""

    uploads: int
    refused: int
    records: int
    faulty: int
    orders: int
    bytes: int


def generate(
    records: int,
    uploads: int,
    seed: int,
    faults: float,
    out: Path,
    as_of: datetime = DEFAULT_AS_OF,
) -> Summary:
    """Write ``uploads`` files with ``records`` records in all, the same for the same arguments.

    ``faults`` is the share of records with one planted fault, 0 to 1. Beside the uploads stand
    ``expected.jsonl`` (one line an upload, as ``check --format json`` answers) and
    ``manifest.json`` (the arguments; ``as_of`` is the moment of receipt the findings hold for).
    Raises ``ValueError`` for arguments out of range.
    """
    _require(1 <= uploads <= 99_999, "uploads must be 1 to 99999")
    _require(records >= uploads, "records must be at least as many as uploads")
    _require(0.0 <= faults <= 1.0, "faults must be between 0 and 1")
    _require(as_of.tzinfo is not None, "as_of must name its time zone")
    _require(as_of >= EARLIEST_AS_OF, f"as_of must be {EARLIEST_AS_OF:%Y-%m-%d} or later")
    out.mkdir(parents=True, exist_ok=True)
    total = Summary(uploads, 0, 0, 0, 0, 0)
    with (out / "expected.jsonl").open("wb") as expected:
        for written in _uploads(records, uploads, seed, faults, moment_of(as_of)):
            (out / written.name).write_bytes(written.payload)
            expected.write(orjson.dumps(written.expected) + b"\n")
            total = _add(total, written)
    manifest = {
        "records": records, "uploads": uploads, "seed": seed, "faults": faults,
        "as_of": as_of.isoformat(),
    }  # fmt: skip
    (out / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return total


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _uploads(records: int, uploads: int, seed: int, faults: float, as_of: int) -> Iterator[Written]:
    rng = Random(seed)  # noqa: S311  # made-up data must be repeatable, not secret
    plan = plan_uploads(records, uploads, rng)
    newest = as_of // DAY - OLDEST_DAYS
    population = Population(max(20, records // _VISITS_PER_PERSON), seed, newest)
    prescribers = [u.institution.code for u in plan if u.institution.kind in _PRESCRIBING]
    signatures, market = Signatures(rng), Market()
    books: dict[str, Books] = {}
    for upload in plan:
        code = upload.institution.code
        own = books.setdefault(code, Books())
        desk = Desk(
            rng, upload.institution, population, prescribers, as_of, signatures, own, market
        )
        yield write_upload(desk, upload, faults)
        if upload.last:
            del books[code]


_PRESCRIBING = ("western", "hospital", "dental")


def _add(total: Summary, written: Written) -> Summary:
    return Summary(
        total.uploads,
        total.refused + written.refused,
        total.records + written.records,
        total.faulty + written.faulty,
        total.orders + written.orders,
        total.bytes + len(written.payload),
    )


__all__ = ["DEFAULT_AS_OF", "EARLIEST_AS_OF", "Summary", "Upload", "generate"]

"""EDGE: write the same visits twice, in format 1.0 and as 2.0 pre-checks, for their comparison.

Some visits have no pre-check, or one that is rejected; of some the 1.0 record says another person,
birth date, moment or visit type. What the comparison must then say is written down beside them, by
whoever made the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random

import orjson

from pipeline.generate.chains import Books, Market
from pipeline.generate.country import Population
from pipeline.generate.desk import Desk, Signatures
from pipeline.generate.moments import DAY, HOUR, date_text, moment_of, stamp
from pipeline.generate.plan import Upload, plan_uploads
from pipeline.generate.record import Record
from pipeline.generate.render import head, render, tail
from pipeline.generate.scenes import MAIN
from pipeline.generate.scenes.abnormal import CODES, as_abnormal
from pipeline.generate.style import Style
from pipeline.generate.v1_form import as_v1, corrected
from pipeline.taipei import TAIPEI

DUAL_AS_OF = datetime(2024, 3, 20, 21, 0, tzinfo=TAIPEI)
"""In the dual-track time, the day document 001 shows uploads of."""

WINDOW_DAYS = 7
V1_FOLDER, PRECHECK_FOLDER = "v1", "precheck"
_VPN_SHARE, _ABNORMAL, _CORRECTED = 0.1, 0.03, 0.03


@dataclass(frozen=True)
class DualSummary:
    """What was written; ``visits`` counts each once, ``matched`` those a comparison must match."""

    uploads: int
    visits: int
    matched: int


@dataclass
class _Pair:
    """One institution's two uploads in the making, and the visits that don't match."""

    style: Style
    v1: list[bytes] = field(default_factory=list)
    precheck: list[bytes] = field(default_factory=list)
    visits: int = 0
    unmatched: list[dict[str, object]] = field(default_factory=list)

    def write_v1(self, record: Record) -> None:
        self.v1.append(render(record, self.style))

    def write_precheck(self, record: Record) -> None:
        self.precheck.append(render(record, self.style))

    def differs(self, why: str) -> None:
        self.unmatched.append({"record": len(self.v1) + 1, "why": why})


Difference = Callable[[Desk, _Pair, Record], None]


class _Week(Desk):
    """A desk whose visits fall on the seven days before the day of receipt."""

    def moment(self) -> int:
        day = self.as_of // DAY - 1 - self.rng.randrange(WINDOW_DAYS)
        return day * DAY + 8 * HOUR + self.rng.randrange(13 * HOUR)


def generate_dual(
    records: int,
    uploads: int,
    seed: int,
    differing: float,
    out: Path,
    as_of: datetime = DUAL_AS_OF,
) -> DualSummary:
    """Write ``uploads`` pairs of uploads with ``records`` visits in all, one pair an institution.

    ``out/v1`` has those in format 1.0, ``out/precheck/web-api`` and ``out/precheck/vpn`` the same
    visits in 2.0 by the channel they are to come by; ``out/expected-pairs.jsonl`` one line an
    institution. ``differing`` is the share of visits that must not match, 0 to 1.
    """
    rng = Random(seed)  # noqa: S311  # made-up data must be repeatable, not secret
    # Drawn first, so that they are the institutions of ``generate``.
    planned = _one_each(plan_uploads(records, uploads, rng))
    moment = moment_of(as_of)
    population = Population(max(20, records), seed, moment // DAY - 60)
    signatures, total = Signatures(rng), DualSummary(uploads, 0, 0)
    folders = [out / V1_FOLDER, *(out / PRECHECK_FOLDER / way for way in ("web-api", "vpn"))]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with (out / "expected-pairs.jsonl").open("wb") as expected:
        for upload in planned:
            code = upload.institution.code
            desk = _Week(
                rng, upload.institution, population, [code], moment, signatures, Books(), Market()
            )
            pair = _pair(desk, upload.records, differing)
            way = "vpn" if rng.random() < _VPN_SHARE else "web-api"
            _write(out / V1_FOLDER / upload.name, pair.v1, pair.style)
            _write(out / PRECHECK_FOLDER / way / upload.name, pair.precheck, pair.style)
            matched = pair.visits - len(pair.unmatched)
            line = {
                "institution": code, "upload": upload.name, "channel": way, "v1": pair.visits,
                "matched": matched, "unmatched": pair.unmatched,
            }  # fmt: skip
            expected.write(orjson.dumps(line) + b"\n")
            total = replace(
                total, visits=total.visits + pair.visits, matched=total.matched + matched
            )
    return total


def _one_each(planned: list[Upload]) -> list[Upload]:
    """Uploads of one institution taken together."""
    sizes: dict[str, int] = {}
    for upload in planned:
        code = upload.institution.code
        sizes[code] = sizes.get(code, 0) + upload.records
    return [
        replace(upload, records=sizes.pop(upload.institution.code))
        for upload in planned
        if upload.institution.code in sizes
    ]


def _pair(desk: Desk, visits: int, differing: float) -> _Pair:
    pair = _Pair(replace(desk.style, echoed=()))
    for _ in range(visits):
        record = _visit(desk)
        if desk.rng.random() < _ABNORMAL:
            as_abnormal(record, desk.rng.choice(CODES))
        if desk.rng.random() < differing:
            desk.rng.choice(_DIFFERENCES)(desk, pair, record)
        else:
            pair.write_precheck(record)
            _sent(desk, pair, as_v1(record))
        pair.visits += 1
    return pair


def _visit(desk: Desk) -> Record:
    """A visit of the seven days: what a pharmacy dispenses may be of another day."""
    today = desk.as_of // DAY
    while True:
        record = MAIN[desk.institution.kind](desk)
        if 0 < today - record.moment // DAY <= WINDOW_DAYS:
            return record


def _sent(desk: Desk, pair: _Pair, record: Record) -> None:
    """The 1.0 record, and for some its correction: the last counts, so it is one visit still."""
    pair.write_v1(record)
    if desk.rng.random() < _CORRECTED:
        pair.write_v1(corrected(record, desk.style.amount(desk.between(100, 2000))))


def _missing(_desk: Desk, pair: _Pair, record: Record) -> None:
    pair.differs("missing")
    pair.write_v1(as_v1(record))


def _rejected(_desk: Desk, pair: _Pair, record: Record) -> None:
    pair.differs("rejected")
    pair.write_v1(as_v1(record))
    del record.visit["M15"]
    pair.write_precheck(record)


def _says(why: str, change: Callable[[Desk, Record], None]) -> Difference:
    """The 1.0 record differs from the pre-check in one of the four keys."""

    def difference(desk: Desk, pair: _Pair, record: Record) -> None:
        pair.write_precheck(record)
        other = as_v1(record)
        change(desk, other)
        pair.differs(why)
        pair.write_v1(other)

    return difference


def _other_person(desk: Desk, record: Record) -> None:
    other = desk.person()
    while other.id == record.person.id:
        other = desk.person()
    record.visit["A12"] = other.id


def _other_birth(desk: Desk, record: Record) -> None:
    year = int(record.visit["A13"][:3]) - 1
    record.visit["A13"] = f"{year:03d}0101" if year > 0 else date_text(desk.as_of // DAY - 50)


def _other_moment(desk: Desk, record: Record) -> None:
    later = stamp(record.moment + desk.between(1, 50))
    record.visit.update({"A17": later, "A54": later})
    for order in record.orders:
        order["A71"] = later


def _other_type(_desk: Desk, record: Record) -> None:
    counted = record.visit["A23"].isdigit()
    others = ("01", "02", "06") if counted else ("AE", "AF")
    record.visit["A23"] = next(other for other in others if other != record.visit["A23"])


_DIFFERENCES: tuple[Difference, ...] = (
    _missing, _rejected, _says("A12", _other_person), _says("A13", _other_birth),
    _says("A17", _other_moment), _says("A23", _other_type),
)  # fmt: skip


def _write(path: Path, records: list[bytes], style: Style) -> None:
    if records:
        path.write_bytes(b"".join([head(style), *records, tail(style)]))

"""A made-up nation's week of 1.0 and 2.0 pre-check records, written straight as Delta tables.

For the nightly comparison, which reads tables, not uploads: ``v1_visits``, ``precheck_visits``,
``uploads`` and ``findings``, in files as ``run`` leaves them (a commit of 256 MB of uploads makes
one file a person bucket). The same seed makes the same rows.

    python -m bench.nation_tables STORE [--institutions N] [--a-day N] [--as-of DATE]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction

from pipeline.store.layout import StoreConfig, layout_of, write_config
from schemas.tables import FINDINGS, UPLOADS, V1_VISITS, VISITS

DAYS, COMMITS_A_DAY, BUCKETS = 7, 12, 8
AS_OF = date(2024, 3, 21)
INSTITUTIONS, A_DAY = 30_000, 1_300_000
TYPES = ("01", "02", "03", "04", "06", "09", "AA", "AB", "AC", "AE", "AF", "AH", "BB", "CA", "DA")
WEIGHTS = (38, 9, 6, 3, 1, 2, 8, 2, 3, 6, 16, 1, 2, 2, 1)
CODES = ("AA", "AF", "D051", "D024", "AD61", "BE", "01", "D037", "AC", "Z010")
_KEYS = {  # fields of 1.0 and of 2.0
    "id": ("A12", "M03"),
    "birth": ("A13", "M04"),
    "moment": ("A17", "M11"),
    "type": ("A23", "M07"),
}

Rng = np.random.Generator
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Nation:
    """Institutions: their codes, share of all visits, and how far each is with 2.0.

    ``missing`` is the share of visits whose pre-check fails or differs; ``vpn`` who uses the VPN.
    """

    codes: npt.NDArray[Any]
    share: npt.NDArray[np.float64]
    missing: npt.NDArray[np.float64]
    vpn: npt.NDArray[np.bool_]


def nation(rng: Rng, institutions: int) -> Nation:
    """Many clinics, few hospitals; three in five are ready, one in twenty has not begun."""
    share = 1 / (np.arange(institutions) + 30.0) ** 0.9
    state = rng.choice(3, institutions, p=(0.60, 0.35, 0.05))
    missing = np.choose(state, [0.0, 1.0, 1.0])
    some = state == 1
    missing[some] = rng.beta(0.6, 12, int(some.sum()))
    order = rng.permutation(institutions)
    codes = np.char.add("35", np.char.zfill(np.arange(institutions).astype("U8"), 8))
    return Nation(codes, (share / share.sum())[order], missing, rng.random(institutions) < 0.04)


def make_store(store: Path, institutions: int, a_day: int, as_of: date, seed: int = 7) -> None:
    """Write the four tables under ``store``, which must not hold them yet."""
    rng = np.random.default_rng(seed)
    country = nation(rng, institutions)
    first = as_of - timedelta(DAYS)
    adds: dict[str, list[AddAction]] = {"v1_visits": [], "precheck_visits": []}
    for day in range(DAYS):
        for part in range(COMMITS_A_DAY):
            members = np.arange(part, institutions, COMMITS_A_DAY)
            count = int(a_day * country.share[members].sum())
            rows = _visits(rng, country, members, count, first + timedelta(day))
            sent = _as_prechecked(rng, country, rows)
            stem = f"{day * COMMITS_A_DAY + part + 1:08d}"
            adds["v1_visits"] += _files(store, "v1_visits", stem, rows, day, institutions)
            adds["precheck_visits"] += _files(
                store, "precheck_visits", stem, sent, day, institutions
            )
    _commit(store, "v1_visits", V1_VISITS, ("visit_month", "bucket"), adds["v1_visits"])
    _commit(store, "precheck_visits", VISITS, ("visit_month", "bucket"), adds["precheck_visits"])
    write_config(layout_of(store), StoreConfig(buckets=BUCKETS))
    uploads = _uploads(country, first, a_day)
    _plain(store, "uploads", UPLOADS, uploads)
    _plain(store, "findings", FINDINGS, _findings(rng, country, first, a_day))


def _visits(rng: Rng, country: Nation, members: Ints, count: int, day: date) -> dict[str, Any]:
    share = country.share[members]
    who = np.sort(rng.choice(members, count, p=share / share.sum()))
    person = rng.integers(0, 20_000_000, count)
    seconds = rng.integers(8 * 3600, 21 * 3600, count)
    return {
        "who": who,
        "id": _identity(person),
        "birth": _birth(person % 29_000),
        "moment": _moment(day, seconds),
        "type": pa.array(TYPES).take(pa.array(rng.choice(len(TYPES), count, p=_weights()))),
        "bucket": person % BUCKETS,
        "day": day,
    }


def _as_prechecked(rng: Rng, country: Nation, rows: dict[str, Any]) -> dict[str, Any]:
    """The same visits as 2.0: some missing, some with another id, birth, moment or type."""
    draw = rng.random(len(rows["who"]))
    missing = country.missing[rows["who"]]
    lost = (draw < missing * 0.7) | (missing == 1.0)
    wrong = ~lost & (draw < missing)
    which = rng.integers(0, 4, len(draw))
    other = np.roll(np.arange(len(draw)), 1)
    sent = {**rows}
    for place, name in enumerate(_KEYS):
        at = np.where(wrong & (which == place), other, np.arange(len(draw)))
        sent[name] = rows[name].take(pa.array(at))
    kept = np.flatnonzero(~lost)
    chosen = pa.array(kept)
    return {
        **{name: sent[name].take(chosen) for name in _KEYS},
        "who": rows["who"][kept],
        "bucket": rows["bucket"][kept],
        "day": rows["day"],
    }


def _files(
    store: Path, name: str, stem: str, rows: dict[str, Any], day: int, institutions: int
) -> list[AddAction]:
    v1 = name == "v1_visits"
    schema = V1_VISITS if v1 else VISITS
    count = len(rows["who"])
    sequence = _sequence(day, rows["who"], institutions, v1=v1)
    month = rows["day"].strftime("%Y-%m")
    columns: dict[str, Any] = {pair[0 if v1 else 1]: rows[key] for key, pair in _KEYS.items()}
    codes = pa.array(rows["who"])
    key = pc.binary_join_element_wise(rows["id"], rows["moment"], "")
    columns |= {
        "visit_key": key,
        "institution": pa.array(_NAMES(institutions)).take(codes),
        "visit_date": pa.repeat(pa.scalar(rows["day"], pa.date32()), count),
        "received_at": pa.repeat(_received(rows["day"]), count),
        "sequence": pa.array(sequence),
        "upload_id": _upload_ids(sequence),
        "record": pa.array(np.arange(1, count + 1, dtype=np.int32)),
        "byte_offset": pa.array(np.arange(count) * 1_500),
        "byte_length": pa.array(np.full(count, 1_500)),
        "plan": pa.repeat("0" * 16, count),
    }
    if v1:
        columns["channel"] = pa.repeat("vpn", count)
    out = []
    for bucket in range(BUCKETS):
        chosen = pa.array(np.flatnonzero(rows["bucket"] == bucket))
        part = {field: column.take(chosen) for field, column in columns.items()}
        partition = {"visit_month": month, "bucket": str(bucket)}
        out.append(_write(store / "tables" / name, stem, _shaped(part, schema), partition))
    return out


def _write(table: Path, stem: str, rows: pa.Table, partition: dict[str, str]) -> AddAction:
    folder = "/".join(f"{key}={value}" for key, value in partition.items())
    path = f"{folder}/{stem}.parquet" if folder else f"{stem}.parquet"
    (table / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        rows, table / path, compression="zstd", compression_level=1, use_dictionary=False,
        write_statistics=["visit_date", "sequence"],
    )  # fmt: skip
    bounds = pc.min_max(rows["visit_date"]).as_py() if "visit_date" in rows.column_names else {}
    known = {side: value.isoformat() for side, value in bounds.items() if value}
    stats = (
        f'{{"numRecords":{len(rows)},"minValues":{{"visit_date":"{known["min"]}"}},'
        f'"maxValues":{{"visit_date":"{known["max"]}"}},"nullCount":{{"visit_date":0}}}}'
        if known
        else f'{{"numRecords":{len(rows)}}}'
    )
    return AddAction(path, (table / path).stat().st_size, {**partition}, 0, True, stats)


def _shaped(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """The columns of a file of this table; what is not given is null."""
    count = len(columns["sequence"])
    fields = [f for f in schema if f.name not in ("visit_month", "bucket")]
    arrays = [columns.get(f.name, pa.nulls(count, f.type)) for f in fields]
    return pa.table(arrays, schema=pa.schema(fields))


def _commit(
    store: Path, name: str, schema: pa.Schema, by: tuple[str, ...], added: list[AddAction]
) -> None:
    path = store / "tables" / name
    path.mkdir(parents=True, exist_ok=True)
    table = DeltaTable.create(str(path), schema, partition_by=list(by))
    table.create_write_transaction(
        added, mode="append", schema=schema, partition_by=list(by),
        commit_properties=CommitProperties(),
    )  # fmt: skip


def _plain(store: Path, name: str, schema: pa.Schema, rows: pa.Table) -> None:
    _commit(store, name, schema, (), [_write(store / "tables" / name, "00000001", rows, {})])


def _uploads(country: Nation, first: date, a_day: int) -> pa.Table:
    """One 1.0 and one pre-check upload an institution a day."""
    count = len(country.codes)
    who = np.tile(np.repeat(np.arange(count), 2), DAYS)
    v1 = np.tile([True, False], count * DAYS)
    day = np.repeat(np.arange(DAYS), count * 2)
    sequence = day * count * 2 + who * 2 + ~v1
    records = np.maximum(1, (country.share[who] * a_day)).astype(np.int64)
    rejected = np.where(v1, 0, records * country.missing[who] * 0.7).astype(np.int64)
    rejected[country.missing[who] == 1.0] = 0
    kept = np.flatnonzero(v1 | (country.missing[who] < 1.0))
    moments = [_received(first + timedelta(n)).as_py() for n in range(DAYS)]
    none = pa.repeat(pa.scalar(0, pa.int64()), len(who))
    columns = {
        "upload_id": _upload_ids(sequence),
        "sha256": pa.repeat("0" * 64, len(who)),
        "institution": pa.array(country.codes).take(pa.array(who)),
        "channel": pa.array(["web-api", "vpn"]).take(pa.array((v1 | country.vpn[who]).astype(int))),
        "mode": pa.array(["precheck", "official"]).take(pa.array(v1.astype(int))),
        "received_at": pa.array(moments, _UTC).take(pa.array(day)),
        "sequence": pa.array(sequence),
        "status": pa.repeat("done", len(who)),
        "records": pa.array(records),
        "records_accepted": pa.array(records - rejected),
        "records_warned": none,
        "records_rejected": pa.array(rejected),
        "orders": pa.array(records * 5),
        "orders_accepted": pa.array(records * 5),
        "orders_rejected": none,
        "version": pa.array(["2.0", "1.0"]).take(pa.array(v1.astype(int))),
        "plan": pa.repeat("0" * 16, len(who)),
        "engine": pa.repeat("0.1.0", len(who)),
    }
    return _filled(columns, UPLOADS).take(pa.array(kept))


def _findings(rng: Rng, country: Nation, first: date, a_day: int) -> pa.Table:
    """About as many findings as records are rejected, and half as many warnings."""
    count = len(country.codes)
    weight = country.share * np.where(country.missing < 1.0, country.missing + 0.005, 0.0)
    total = int(weight.sum() * a_day * DAYS)
    who = rng.choice(count, total, p=weight / weight.sum())
    day = rng.integers(0, DAYS, total)
    code = np.minimum(rng.geometric(0.3, total) - 1, len(CODES) - 1)
    zero = pa.repeat(pa.scalar(0, pa.int64()), total)
    columns = {
        "upload_id": _upload_ids(day * count * 2 + who * 2 + 1),
        "institution": pa.array(country.codes).take(pa.array(who)),
        "received_date": pa.array([first + timedelta(n) for n in range(DAYS)]).take(pa.array(day)),
        "record": pa.array(rng.integers(1, 50, total).astype(np.int32)),
        "field": pa.repeat("M15", total),
        "code": pa.array(CODES).take(pa.array(code)),
        "severity": pa.array(["reject", "warn"]).take(pa.array((code % 3 == 2).astype(int))),
        "rule": pa.repeat("required/M15", total),
        "byte_offset": zero,
        "byte_length": zero,
    }
    return _filled(columns, FINDINGS)


_UTC = pa.timestamp("us", tz="UTC")


def _filled(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    count = len(columns["upload_id"])
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)


def _NAMES(institutions: int) -> list[str]:  # noqa: N802
    return [f"35{number:08d}" for number in range(institutions)]


def _sequence(day: int, who: Ints, institutions: int, *, v1: bool) -> Ints:
    return day * institutions * 2 + who * 2 + (0 if v1 else 1)


def _upload_ids(sequence: Ints) -> pa.Array:
    return pa.array(np.char.zfill(sequence.astype("U26"), 26))


def _received(day: date) -> pa.Scalar:
    """21:00 in Taipei, when most is sent."""
    return pa.scalar(datetime(day.year, day.month, day.day, 13, tzinfo=UTC), _UTC)


def _weights() -> npt.NDArray[np.float64]:
    return np.array(WEIGHTS) / sum(WEIGHTS)


def _identity(person: Ints) -> pa.Array:
    letters = pa.array([chr(65 + n) for n in range(26)]).take(pa.array(person % 26))
    sex = pa.array(["1", "2"]).take(pa.array(person % 2))
    digits = pc.utf8_lpad(pa.array(person).cast(pa.string()), 8, "0")
    return pc.binary_join_element_wise(letters, sex, digits, "")


def _birth(day: Ints) -> pa.Array:
    """ROC yyyMMdd, from 1935 on."""
    days = [date(1935, 1, 1) + timedelta(n) for n in range(29_000)]
    text = [f"{d.year - 1911:03d}{d:%m%d}" for d in days]
    return pa.array(text).take(pa.array(day))


def _moment(day: date, seconds: Ints) -> pa.Array:
    head = f"{day.year - 1911:03d}{day:%m%d}"
    clock = [f"{head}{n // 3600:02d}{n // 60 % 60:02d}{n % 60:02d}" for n in range(86_400)]
    return pa.array(clock).take(pa.array(seconds))


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("store", type=Path)
    given.add_argument("--institutions", type=int, default=INSTITUTIONS)
    given.add_argument("--a-day", type=int, default=A_DAY)
    given.add_argument("--as-of", type=date.fromisoformat, default=AS_OF)
    asked = given.parse_args()
    make_store(asked.store, asked.institutions, asked.a_day, asked.as_of)

"""Tables of a made-up nation from which a state can be built: visits, history and the ledger.

Written straight, through the store's own tables, as ``run`` leaves them: a commit of 200,000 visits
makes a file a bucket. Of ten visits one issues a prescription of three refills and dispenses the
first itself, one dispenses the second of such a prescription of the day before, eight do neither.
Only the columns that a state reads are filled. The same count makes the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels import ids
from pipeline.store.datafiles import DataFile, write_data_file
from pipeline.store.delta import DeltaTables, TableCommit, file_schema
from pipeline.store.layout import Layout, layout_of

DAYS: Final = 20
FIRST_DAY: Final = date(2025, 11, 1)
BUCKETS: Final = 8
COMMIT_ROWS: Final = 200_000
UPLOAD_RECORDS: Final = 50
PERSONS: Final = 20_000_000
INSTITUTIONS: Final = 30_000

Keys = npt.NDArray[np.uint64]
Columns = dict[str, pa.Array]


def make_tables(store: Path, visits: int) -> tuple[int, int]:
    """Write the tables of a store that does not hold them yet; gives its last batch, sequence."""
    layout = layout_of(store)
    tables = DeltaTables(layout)
    tables.create_missing()
    batch = sequence = 0
    before = np.empty((0, 2), np.uint64)
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(number)
        today = []
        for count in _commits(visits // DAYS):
            batch += 1
            keys = _keys(np.random.default_rng((number, batch)), day, count)
            sequences = sequence + 1 + np.arange(count, dtype=np.int64) // UPLOAD_RECORDS
            rows, ledger = _rows(keys, before[: count // 10], day, sequences)
            before = before[count // 10 :]
            for name, columns in (("visits", rows), ("history", rows), ("prescriptions", ledger)):
                change = TableCommit(name, tuple(_files(layout, name, batch, columns)))
                tables.commit(change, batch, 0)
            today.append(keys[: count // 10])
            sequence = int(sequences[-1])
        before = np.concatenate(today)
    return batch, sequence


def next_keys(count: int) -> Keys:
    """Keys of visits of the day after."""
    return _keys(np.random.default_rng(3), FIRST_DAY + timedelta(DAYS), count)


def _commits(rows: int) -> Iterator[int]:
    while rows > 0:
        yield min(rows, COMMIT_ROWS)
        rows -= COMMIT_ROWS


def _keys(rng: np.random.Generator, day: date, count: int) -> Keys:
    year = (day.year - 2013) % 34 * 34**5
    second = year + (day - date(day.year, 1, 1)).days * 86_400
    seconds = (second + rng.integers(8 * 3600, 21 * 3600, count)).astype(np.uint64)
    person = (rng.integers(0, PERSONS, count) * 2_100 + 7).astype(np.uint64)
    place = rng.integers(0, INSTITUTIONS, count).astype(np.uint64) * np.uint64(34)
    high = seconds << np.uint64(33) | person >> np.uint64(3)
    low = (person & np.uint64(7)) << np.uint64(ids.REST_BITS) | ids.NORMAL | place
    return np.stack([high, low], axis=1)


def _rows(
    keys: Keys, dispensed: Keys, day: date, sequence: npt.NDArray[np.int64]
) -> tuple[Columns, Columns]:
    """Columns of visits (and history), and of the ledger they change."""
    count, tenth = len(keys), len(keys) // 10
    issues, dispenses = np.arange(count) < tenth, np.zeros(count, np.bool_)
    dispenses[tenth : tenth + len(dispensed)] = True
    texts, originals = _spelled(keys), np.full(count, None, object)
    originals[dispenses] = _spelled(dispensed).to_numpy(zero_copy_only=False)
    codes = pa.array([f"35{n:08d}" for n in range(INSTITUTIONS)])
    place = (keys[:, 1] & (ids.NORMAL - np.uint64(1))) // np.uint64(34)
    institution = codes.take(pa.array(place.astype(np.int64)))
    roc = f"{day.year - 1911:03d}{day:%m%d}"
    rows = {
        "visit_key": texts, "treatment_id": texts, "M15": texts, "M05": institution,
        "institution": institution, "M16": pa.array(originals, pa.string()),
        "H00": _same("1", count), "H01": _same("A", count), "M03": _same("A123456789", count),
        "M06": _same("A123456789", count), "M11": _same(roc + "090000", count),
        "M07": pa.array(np.where(dispenses, "AE", "01")), "M13": _same("0001", count),
        "M26": pa.array(np.where(issues, "3", None), pa.string()),
        "M33": pa.array(np.where(issues, "1", np.where(dispenses, "2", None)), pa.string()),
        "visit_date": pa.repeat(pa.scalar(day, pa.date32()), count),
        "sequence": pa.array(sequence), "action": _same("put", count),
        "record": pa.array(np.arange(count, dtype=np.int32) % UPLOAD_RECORDS + 1),
        "upload_id": pa.array(sequence).cast(pa.string()),
        "visit_month": _same(f"{day:%Y-%m}", count), "bucket": _buckets(keys),
    }  # fmt: skip
    return rows, _ledger(rows, issues, dispenses, dispensed)


def _ledger(
    rows: Columns, issues: npt.NDArray[np.bool_], dispenses: npt.NDArray[np.bool_], old: Keys
) -> Columns:
    """First refills of the new prescriptions; second ones of the old."""
    first, second = (pa.array(np.flatnonzero(chosen)) for chosen in (issues, dispenses))
    both = pa.concat_arrays([first, second])
    prescription = pa.concat_arrays([rows["treatment_id"].take(first), rows["M16"].take(second)])
    count = len(both)
    refill = np.repeat(np.array([1, 2], np.int32), [len(first), len(second)])
    return {
        "prescription_id": prescription, "kind": _same("chronic", count),
        "refill": pa.array(refill), "status": _same("dispensed", count),
        "institution": rows["institution"].take(both),
        "by_institution": rows["institution"].take(both),
        "by_treatment_id": rows["treatment_id"].take(both),
        "issued_month": rows["visit_month"].take(both),
        "bucket": pa.concat_arrays([rows["bucket"].take(first), _buckets(old)]),
        "sequence": rows["sequence"].take(both),
    }  # fmt: skip


def _files(layout: Layout, name: str, batch: int, columns: Columns) -> Iterator[DataFile]:
    """A file for each bucket; one where there are none."""
    schema, month = file_schema(name), None
    count = len(columns["sequence"])
    filled = [columns.get(f.name, _filler(f, count)) for f in schema]
    table = pa.table(filled, schema=schema)
    if name == "history":
        yield write_data_file(layout.table_files(name), f"{batch:08d}-0000", table, {})
        return
    month = "visit_month" if name == "visits" else "issued_month"
    for bucket in range(BUCKETS):
        part = table.filter(pc.equal(columns["bucket"], bucket))
        if len(part):
            place = {month: columns[month][0].as_py(), "bucket": str(bucket)}
            stem = f"{batch:08d}-{bucket:04d}"
            yield write_data_file(layout.table_files(name), stem, part, place)


def _filler(field: pa.Field, count: int) -> Any:
    if field.nullable:
        return pa.nulls(count, field.type)
    if pa.types.is_string(field.type):
        return _same("0", count)
    return pa.array(np.zeros(count, np.int64)).cast(field.type)


def _buckets(keys: Keys) -> pa.Array:
    hashed = np.empty(len(keys), np.uint32)
    ids.hash_persons(keys, hashed)
    return pa.array((hashed % BUCKETS).astype(np.int32))


def _spelled(keys: Keys) -> pa.StringArray:
    out = np.empty(len(keys) * ids.ID_LENGTH, np.uint8)
    ids.spell_ids(np.ascontiguousarray(keys), out)
    edges = np.arange(len(keys) + 1, dtype=np.int32) * ids.ID_LENGTH
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(edges), pa.py_buffer(out))


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)

"""A table's CSV → its checked columns, or every problem with its line. All or nothing.

Text in UTF-8 (a BOM is fine) or Big5. The header names the columns of ``schemas.reference`` in any
order. Periods are half open, in ROC ``yyyMMdd`` or ISO ``yyyy-mm-dd``; those of one key must not
overlap.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import ip_network
from itertools import pairwise

import pyarrow as pa

from pipeline.reference.columns import schema_of
from pipeline.reference.problems import Problem, ReferenceFileError
from schemas.reference import FROM, HOLIDAYS, UNTIL, Column, ReferenceTable

MOST_BYTES = 512 << 20
MOST_ROWS = 5_000_000
MOST_ADDRESSES = 256  # of one network: a /24


@dataclass(frozen=True)
class Row:
    """One row of the file, checked by itself."""

    line: int
    key: tuple[str, ...]
    start: date | None
    stop: date | None
    values: tuple[int | None, ...]


def read_csv(declared: ReferenceTable, data: bytes, file: str) -> pa.Table:
    """The columns of a table. Raises ``ReferenceFileError`` with all that is wrong."""
    problems: list[Problem] = []
    rows = list(_rows(declared, _text(data, file), problems, file))
    if not problems:
        problems += _overlaps(rows)
    if not problems and declared.name == HOLIDAYS:
        problems += _years_left_out(rows)
    if problems:
        raise ReferenceFileError(file, sorted(problems, key=lambda problem: problem.line))
    columns = [
        *([row.key[i] for row in rows] for i in range(len(declared.keys))),
        [row.start for row in rows],
        [row.stop for row in rows],
        *([row.values[i] for row in rows] for i in range(len(declared.values))),
    ]
    schema = schema_of(declared)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _text(data: bytes, file: str) -> str:
    if len(data) > MOST_BYTES:
        raise _whole(file, f"超過 {MOST_BYTES:,} 位元組", f"more than {MOST_BYTES:,} bytes")
    for encoding in ("utf-8-sig", "cp950"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _whole(file, "不是 UTF-8 也不是 Big5", "neither UTF-8 nor Big5")


def _whole(file: str, zh: str, en: str, line: int = 0) -> ReferenceFileError:
    return ReferenceFileError(file, [Problem(line, zh, en)])


def _rows(declared: ReferenceTable, text: str, problems: list[Problem], file: str) -> Iterator[Row]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(declared, header, file)
        for count, cells in enumerate(reader):
            if count >= MOST_ROWS:
                raise _whole(file, f"超過 {MOST_ROWS:,} 列", f"more than {MOST_ROWS:,} rows")
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                said = f"{len(cells)} 欄，應為 {len(header)} 欄"
                problems.append(Problem(line, said, f"{len(cells)} cells, not {len(header)}"))
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            yield from _row(declared, row, line, problems)
    except csv.Error as error:
        raise _whole(file, "不是 CSV", f"not CSV ({error})", reader.line_num) from error


def _check_header(declared: ReferenceTable, header: list[str], file: str) -> None:
    missing = [name for name in declared.header if name not in header]
    unknown = [name for name in header if name not in declared.header]
    if missing or unknown or len(set(header)) < len(header):
        wanted = ", ".join(declared.header)
        raise _whole(
            file,
            f"欄名應為 {wanted}"
            f"（缺 {', '.join(missing) or '無'}；多 {', '.join(unknown) or '無'}）",
            f"the header must be {wanted}, each once "
            f"(missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'})",
            line=1,
        )


def _row(
    declared: ReferenceTable, row: dict[str, str], line: int, problems: list[Problem]
) -> Iterator[Row]:
    """The row; none where something is wrong with it; several for a network."""
    before = len(problems)
    for column in declared.keys:
        if not re.fullmatch(column.shape, row[column.name]):
            problems.append(_wrong(line, column.name, row[column.name], column.zh))
    period = [_day(name, row[name], line, problems) for name in (FROM, UNTIL)]
    start, stop = period[0], period[1]
    if start is None and not declared.keys and not row[FROM]:
        problems.append(_wrong(line, FROM, "", "起日 first day"))
    if start is not None and stop is None and declared.lasts_days is not None:
        stop = start + timedelta(days=declared.lasts_days)
    if start is not None and stop is not None and start >= stop:
        problems.append(Problem(line, "until 不在 from 之後", "until is not after from"))
    values = tuple(_value(column, row[column.name], line, problems) for column in declared.values)
    keys = [tuple(row[column.name] for column in declared.keys)]
    if declared.networks and len(problems) == before:
        keys = [(*keys[0][:-1], a) for a in _addresses(keys[0][-1], line, problems)]
    if len(problems) == before:
        for key in keys:
            yield Row(line, key, start, stop, values)


def _wrong(line: int, name: str, value: str, what: str) -> Problem:
    return Problem(line, f"{name} 的值「{value}」不合（{what}）", f"{value!r} is no {name}")


def _day(name: str, text: str, line: int, problems: list[Problem]) -> date | None:
    if not text:
        return None
    try:
        if re.fullmatch("[0-9]{7}", text):
            return date(int(text[:3]) + 1911, int(text[3:5]), int(text[5:]))
        if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    problems.append(_wrong(line, name, text, "民國 yyyMMdd 或 yyyy-mm-dd"))
    return None


def _value(column: Column, text: str, line: int, problems: list[Problem]) -> int | None:
    if text and text not in column.codes:
        problems.append(_wrong(line, column.name, text, column.zh))
    return column.codes.get(text)


def _addresses(text: str, line: int, problems: list[Problem]) -> list[str]:
    try:
        network = ip_network(text)
    except ValueError:
        problems.append(_wrong(line, "address", text, "IP 位址或網段"))
        return []
    if network.num_addresses > MOST_ADDRESSES:
        most = f"最多 {MOST_ADDRESSES} 個位址"
        problems.append(Problem(line, f"網段太大，{most}", f"over {MOST_ADDRESSES} addresses"))
        return []
    return [str(address) for address in network]


def _overlaps(rows: list[Row]) -> Iterator[Problem]:
    """Periods that overlap the one before, of the same key."""
    ordered = sorted(rows, key=lambda row: (row.key, row.start or date.min, row.line))
    for earlier, later in pairwise(ordered):
        ends = earlier.stop or date.max
        if earlier.key == later.key and (later.start or date.min) < ends:
            key = "、".join(later.key) or "日期"
            yield Problem(
                later.line,
                f"{key} 的期間與第 {earlier.line} 行重疊",
                f"its period overlaps that of line {earlier.line}",
            )


def _years_left_out(rows: list[Row]) -> Iterator[Problem]:
    """A year without any holiday between others would pass for one that has none."""
    days = [row.start for row in rows if row.start is not None]
    if not days:
        return
    years = {day.year for day in days}
    for year in sorted(set(range(min(years), max(years))) - years):
        yield Problem(0, f"缺西元 {year} 年的放假日", f"no holidays of {year}")

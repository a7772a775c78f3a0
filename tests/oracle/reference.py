"""Reference tables as plain lists of rows, looked through from the top, the obvious way.

A row maps the columns of the table's CSV to texts. ``None`` is unknown throughout; so is what a
table that isn't there would say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from ipaddress import ip_address, ip_network

from schemas.reference import REFERENCE_TABLES

TableRow = Mapping[str, str]
Tables = Mapping[str, Sequence[TableRow]]
Key = Sequence[str | None]


def known(tables: Tables, table: str, key: Key, day: date | None) -> bool | None:
    if table not in tables or None in key or day is None:
        return None
    return _valid_row(tables[table], table, key, day) is not None


def ever_known(tables: Tables, table: str, key: Key) -> bool | None:
    if table not in tables or None in key:
        return None
    return bool(_rows(tables[table], table, key))


def lookup(tables: Tables, table: str, key: Key, column: str, day: date | None) -> int | None:
    if table not in tables or None in key or day is None:
        return None
    row = _valid_row(tables[table], table, key, day)
    codes = next(c.codes for c in REFERENCE_TABLES[table].values if c.name == column)
    return None if row is None else codes.get(row.get(column, ""))


def since(tables: Tables, table: str, key: Key) -> date | None:
    if table not in tables or None in key:
        return None
    begins = [day_of(row.get("from", "")) for row in _rows(tables[table], table, key)]
    return None if None in begins or not begins else min(begins)


def working_days(tables: Tables, after: date | None, until: date | None) -> int | None:
    rows = [row | {"until": _stop(row)} for row in tables.get("holidays", ())]
    if not rows or after is None or until is None:
        return None
    first = min(day_of(row["from"]) for row in rows).year
    last = max(day_of(row["until"]) - timedelta(days=1) for row in rows).year
    if not (first <= after.year <= last and first <= until.year <= last):
        return None
    low, high = sorted((after, until))
    days = [low + timedelta(days=n) for n in range(1, (high - low).days + 1)]
    number = sum(_is_working(rows, day) for day in days)
    return number if after <= until else -number


def day_of(text: str) -> date | None:
    """A ROC or ISO date; ``None`` where it is blank."""
    if not text:
        return None
    if "-" in text:
        return date.fromisoformat(text)
    return date(int(text[:3]) + 1911, int(text[3:5]), int(text[5:]))


def _stop(row: TableRow) -> str:
    """The end of a holiday's period, one day where it is blank."""
    day = day_of(row["from"])
    return row.get("until") or (day + timedelta(days=1)).isoformat()


def _is_working(rows: Sequence[TableRow], day: date) -> bool:
    for row in rows:
        if _covers(row, day, None):
            return row["working"] == "1"
    return day.weekday() < 5


def _rows(rows: Sequence[TableRow], table: str, key: Key) -> list[TableRow]:
    names = [column.name for column in REFERENCE_TABLES[table].keys]
    if REFERENCE_TABLES[table].networks:
        *places, address = key
        return [
            row
            for row in rows
            if [row[name] for name in names[:-1]] == places
            and ip_address(address) in ip_network(row[names[-1]])
        ]
    return [row for row in rows if [row[name] for name in names] == list(key)]


def _valid_row(rows: Sequence[TableRow], table: str, key: Key, day: date) -> TableRow | None:
    lasts = REFERENCE_TABLES[table].lasts_days
    return next((row for row in _rows(rows, table, key) if _covers(row, day, lasts)), None)


def _covers(row: TableRow, day: date, lasts_days: int | None) -> bool:
    start, stop = day_of(row.get("from", "")), day_of(row.get("until", ""))
    if stop is None and start is not None and lasts_days is not None:
        stop = start + timedelta(days=lasts_days)
    return (start is None or start <= day) and (stop is None or day < stop)

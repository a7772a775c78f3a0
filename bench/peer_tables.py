"""The same two tables by other means: visits, and orders with the number of their record.

``visits`` has the visit fields as strings, ``orders`` the order fields and ``record``, the row of
its visit. Peers give null for an element without text, where ours keeps "" apart from absent;
``alike`` knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import xml2arrow
import yaml
from lxml import etree

from pipeline.parse.arrow import order_table, visit_table
from pipeline.parse.parse import parse_many
from schemas import ORDER_FIELDS, VISIT_FIELDS
from schemas.fields import fields

Tables = tuple[pa.Table, pa.Table]
_STRINGS = {
    "visits": pa.schema([(name, pa.string()) for name in VISIT_FIELDS]),
    "orders": pa.schema([*((name, pa.string()) for name in ORDER_FIELDS), ("record", pa.uint32())]),
}


def by_ours(payloads: list[bytes]) -> Tables:
    """Through our own parser, all uploads in one call."""
    batch = parse_many(payloads).batch
    record = pa.array(batch.order_record).cast(pa.uint32(), safe=False)
    return visit_table(batch), order_table(batch).append_column("record", record)


def by_iterparse(payloads: Iterable[bytes]) -> Tables:
    """Through ``lxml.etree.iterparse`` and lists, freeing elements on the way."""
    visits: dict[str, list[str | None]] = {name: [] for name in VISIT_FIELDS}
    orders: dict[str, list[str | None]] = {name: [] for name in ORDER_FIELDS}
    parents: list[int] = []
    record = 0
    for payload in payloads:
        for _, element in etree.iterparse(
            BytesIO(payload), events=("end",), tag="REC", encoding="cp950", remove_comments=True
        ):
            cells = {cell.tag: cell.text for box in (element[0], element[1][0]) for cell in box}
            for name, column in visits.items():
                column.append(cells.get(name))
            for order in element[1][1:]:
                cells = {cell.tag: cell.text for cell in order}
                for name, column in orders.items():
                    column.append(cells.get(name))
                parents.append(record)
            record += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return (
        pa.table(visits, schema=_STRINGS["visits"]),
        pa.table({**orders, "record": parents}, schema=_STRINGS["orders"]),
    )


@dataclass(frozen=True)
class ByXml2arrow:
    """Through xml2arrow, upload by upload; it reads UTF-8 only.

    It makes a row of every child of a table's path, and MB holds MB1 as well as its MB2. Fields of
    both can't go to two tables in one pass, so there are two, each passing over what is the
    other's; one pass into one wide table, cut in two afterwards, is slower. Numbers of records
    start anew with each upload: joining them up is work that it does not offer.
    """

    visits: xml2arrow.XmlToArrowParser
    orders: xml2arrow.XmlToArrowParser

    @classmethod
    def ready(cls) -> ByXml2arrow:
        """With the parsers made."""
        level = {
            name: "MSH" if fields()[name].level == "MSH" else "MB/MB1" for name in VISIT_FIELDS
        }
        visits = [f"/RECS/REC/{level[name]}/{name}" for name in VISIT_FIELDS]
        orders = [f"/RECS/REC/MB/MB2/{name}" for name in ORDER_FIELDS]
        return cls(
            _parser([_table("visits", "/RECS", ["record"], visits)]),
            _parser(
                [
                    _table("records", "/RECS", ["record"], []),
                    _table("orders", "/RECS/REC/MB", ["record", "order"], orders),
                ]
            ),
        )

    def __call__(self, payloads: Iterable[bytes]) -> Tables:
        visits, orders = [], []
        for payload in payloads:
            visits.append(self.visits.parse(payload)["visits"])
            orders.append(self.orders.parse(payload)["orders"])
        return pa.Table.from_batches(visits), pa.Table.from_batches(orders)


def _parser(tables: list[dict[str, object]]) -> xml2arrow.XmlToArrowParser:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tables.yaml")
        path.write_text(yaml.safe_dump({"tables": tables}))
        return xml2arrow.XmlToArrowParser(path)


def _table(name: str, path: str, levels: list[str], columns: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "xml_path": path,
        "levels": levels,
        "fields": [
            {"name": p.rpartition("/")[2], "xml_path": p, "data_type": "Utf8", "nullable": True}
            for p in columns
        ],
    }


def to_utf8(payload: bytes) -> bytes:
    """The upload in UTF-8; the declaration, which xml2arrow does not look at, stays."""
    return payload.decode("cp950").encode()


def alike(ours: Tables, theirs: Tables) -> bool:
    """Whether tables hold the same, "" and null being one."""
    visits, orders = (_without_empty(t) for t in theirs)
    if "<record>" in orders.column_names:
        orders = orders.append_column("record", _through(orders["<record>"], visits["<record>"]))
    mine_visits, mine_orders = (_without_empty(table) for table in ours)
    same: bool = mine_visits.equals(visits.select(mine_visits.column_names))
    return same and bool(mine_orders.equals(orders.select(mine_orders.column_names)))


def _through(within: pa.ChunkedArray, visits: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers of records within uploads → rows of ``visits``: one chunk an upload in both."""
    chunks, first = [], 0
    for chunk, visit in zip(within.chunks, visits.chunks, strict=True):
        chunks.append(pc.add(chunk, pa.scalar(first, pa.uint32())))
        first += len(visit)
    return pa.chunked_array(chunks, pa.uint32())


def _without_empty(table: pa.Table) -> pa.Table:
    columns = [
        pc.if_else(pc.equal(column, ""), None, column) if column.type == pa.string() else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)

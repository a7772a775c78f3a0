"""The same findings by other means: XML libraries, and the rules in plain Python.

The rules in plain Python are the test oracle, which reads each rule's expression afresh on every
record. It was written to be obviously right, not to be fast: rules programmed by hand would be
several times faster. Whatever they cost, they come on top of reading the XML, which is therefore
timed alone as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import xmlschema
from lxml import etree

from rules.model import Rule
from schemas import xsd
from tests.oracles import oracle_findings

Record = tuple[dict[str, str], list[dict[str, str]]]
Place = tuple[int, str, int | None, str]
"""record from 0, field, order from 0, code"""


def records_by_iterparse(payload: bytes) -> Iterator[Record]:
    """Records and their orders as dictionaries, through ``lxml.etree.iterparse``."""
    for _, element in etree.iterparse(
        BytesIO(payload), events=("end",), tag="REC", encoding="cp950", remove_comments=True
    ):
        header, body = element
        record = {cell.tag: cell.text or "" for box in (header, body[0]) for cell in box}
        yield record, [{cell.tag: cell.text or "" for cell in order} for order in body[1:]]
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def records_by_xmlschema(payload: bytes, schema: xmlschema.XMLSchema10) -> Iterator[Record]:
    """Records and their orders, as xmlschema validates and decodes them."""
    text = payload.decode("cp950").partition("?>")[2]
    decoded: Any = schema.decode(text, validation="strict")
    for record in decoded["REC"]:
        yield record["MSH"] | record["MB"]["MB1"], record["MB"].get("MB2", [])


def places(records: Iterable[Record], rules: Iterable[Rule], received: datetime) -> list[Place]:
    """What the rules find; the sender is M05 of the first record."""
    found: list[Place] = []
    sender = None
    for number, (record, orders) in enumerate(records):
        sender = record.get("M05") if number == 0 else sender
        for field, order, code, _, _ in oracle_findings(record, orders, rules, received, sender):
            found.append((number, field, order, code))
    return found


def lxml_schema() -> etree.XMLSchema:
    """The XSD, for lxml."""
    return etree.XMLSchema(etree.fromstring(xsd.text().encode()))


def xmlschema_schema() -> xmlschema.XMLSchema10:
    """The XSD, for xmlschema."""
    return xmlschema.XMLSchema10(xsd.text(), defuse="always", allow="none")


def valid_by_lxml(payload: bytes, schema: etree.XMLSchema) -> bool:
    """Structure only."""
    parser = etree.XMLParser(encoding="cp950", huge_tree=True)
    return bool(schema.validate(etree.fromstring(payload, parser)))

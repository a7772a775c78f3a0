"""Uploads of one record, as an institution's program would write them."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from schemas import V1, V2

IN_BIG5 = '<?xml version="1.0" encoding="Big5"?>'


def document(record: dict[str, str], orders: Iterable[dict[str, str]]) -> bytes:
    """One record in Big5, in the version its fields are of; what Big5 can't say is written as a
    character reference."""
    version = V1 if record.keys() & V1.catalogue else V2
    header = version.header_fields
    visit = version.visit_fields[len(header) :]
    segments = "".join(f"<MB2>{_elements(order, version.order_fields)}</MB2>\n" for order in orders)
    text = (
        f"{IN_BIG5}\n<RECS>\n<REC><MSH>{_elements(record, header)}</MSH>\n"
        f"<MB><MB1>{_elements(record, visit)}</MB1>\n{segments}</MB></REC>\n</RECS>\n"
    )
    return text.encode("cp950", "xmlcharrefreplace")


def _elements(cells: dict[str, str], names: Iterable[str]) -> str:
    return "".join(f"<{name}>{escape(cells[name])}</{name}>" for name in names if name in cells)

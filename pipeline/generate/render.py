"""Records to bytes: what a vendor's program would write, in Big5."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from xml.sax.saxutils import escape

from pipeline.generate.record import Record, Values
from pipeline.generate.style import Style
from schemas import V1, V2

_HEADERS = frozenset((*V1.header_fields, *V2.header_fields))
_NEEDS_ESCAPE = frozenset(("D15", "E04", "E06", "E09"))


@cache
def _tags(style: Style) -> tuple[str, ...]:
    """Line starts and ends around the segments of a record, in the order ``render`` uses them."""
    eol = style.eol
    pads = [style.indent * level for level in range(1, 6)]
    return (
        f"{pads[0]}<REC>{eol}{pads[1]}<MSH>",
        f"</MSH>{eol}{pads[1]}<MB>{eol}{pads[2]}<MB1>{eol}",
        f"{pads[2]}</MB1>{eol}",
        f"{pads[2]}<MB2>" if style.wide_orders else f"{pads[2]}<MB2>{eol}",
        f"</MB2>{eol}" if style.wide_orders else f"{pads[2]}</MB2>{eol}",
        f"{pads[1]}</MB>{eol}{pads[0]}</REC>{eol}",
        pads[3],
    )


@cache
def _echoed(style: Style) -> Values:
    return dict.fromkeys(style.echoed, "")


def _elements(values: Iterable[tuple[str, str]], pad: str, eol: str) -> str:
    return "".join([f"{pad}<{name}>{value}</{name}>{eol}" for name, value in values])


def _order(order: Values, style: Style, pad: str) -> str:
    if not _NEEDS_ESCAPE.isdisjoint(order):
        order = {k: escape(v) if k in _NEEDS_ESCAPE else v for k, v in order.items()}
    pad, eol = ("", "") if style.wide_orders else (pad, style.eol)
    return _elements(sorted(order.items()), pad, eol)


def render(record: Record, style: Style) -> bytes:
    """One REC element with the white space that belongs to it; fields in the catalogue's order."""
    header_at, visit_at, visit_end, order_at, order_end, end, pad = _tags(style)
    fields = sorted((_echoed(style) | record.visit).items())
    split = len(_HEADERS & record.visit.keys())
    visit = _elements(fields[split:], pad, style.eol)
    if style.self_closing:
        for name in style.echoed:
            visit = visit.replace(f"<{name}></{name}>", f"<{name}/>")
    orders = "".join([order_at + _order(o, style, pad) + order_end for o in record.orders])
    header = _elements(fields[:split], "", "")
    return f"{header_at}{header}{visit_at}{visit}{visit_end}{orders}{end}".encode("cp950")


def head(style: Style) -> bytes:
    """Everything before the first REC."""
    comment = f"<!-- {style.comment} -->{style.eol}" if style.comment else ""
    declaration = f'<?xml version="1.0" encoding="{style.encoding_name}"?>'
    return f"{declaration}{style.eol}{comment}<RECS>{style.eol}".encode("cp950")


def tail(style: Style) -> bytes:
    """Everything after the last REC."""
    return f"</RECS>{style.eol}".encode("cp950")

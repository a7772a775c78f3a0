"""How vendors write: layout, line ends, padding, and what they do with fields without a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """One vendor's way of writing.

    ``indent`` is repeated once a level, ``eol`` ends every line (both empty: one single line);
    ``wide_orders`` puts each MB2 on one line. ``echoed`` fields are written even when they have no
    value, as a pair of tags or ``self_closing``. Widths pad with zeros on the left.
    """

    name: str
    encoding_name: str = "Big5"
    indent: str = "  "
    eol: str = "\n"
    wide_orders: bool = False
    echoed: tuple[str, ...] = ()
    self_closing: bool = False
    amount_width: int = 1
    days_width: int = 2
    order_width: int = 3
    quantity_width: int = 7
    comment: str = ""

    def amount(self, value: int) -> str:
        """M44-M48 and M53-M55."""
        return f"{value:0{self.amount_width}d}"

    def days(self, value: int) -> str:
        """D09."""
        return f"{value:0{self.days_width}d}"

    def order_no(self, value: int) -> str:
        """D03."""
        return f"{value:0{self.order_width}d}"

    def quantity(self, value: int) -> str:
        """D10, with one decimal unless the vendor pads nothing."""
        return f"{value:0{self.quantity_width}.1f}" if self.quantity_width else str(value)


_ALL_OPTIONAL = (
    *("M08", "M09", "M10", "M16", "M17", "M18", "M19", "M21", "M22", "M25", "M26", "M27", "M28"),
    *("M29", "M30", "M31", "M32", "M33", "M34", "M36", "M37", "M38", "M39", "M40", "M41", "M42"),
    *("M43", "M46", "M47", "M48", "M49", "M50", "M52", "M55"),
)

STYLES: tuple[Style, ...] = (
    Style("sample", wide_orders=True),
    Style("tree", indent="\t", eol="\r\n", amount_width=7),
    Style("single-line", "big5", indent="", eol="", days_width=1, order_width=1, quantity_width=0),
    Style("crlf-flat", "BIG5", indent="", eol="\r\n", wide_orders=True, order_width=1),
    Style("echo", indent="    ", echoed=_ALL_OPTIONAL, amount_width=7),
    Style("echo-single-line", indent="", eol="", echoed=("M08", "M10", "M36", "M49", "M52")),
    Style("self-closing", echoed=("M09", "M22", "M29", "M36"), self_closing=True, days_width=1),
    Style("signed", wide_orders=True, comment="健保上傳 V2.0"),
)
"""The vendors; most institutions use one of the first four (``COMMON``)."""

COMMON = 4

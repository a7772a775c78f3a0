"""Lines of a registration file → rows of cells, every cell with the place of its bytes.

A row is a line: no column can hold a line break, so a quotation mark that stays open costs one row,
never the rest of the file. Commas and quotation marks are bytes below 0x40, which never are the
second of a Big5 pair, so lines are cut before they are decoded. Blanks around a cell are no part of
it (the example of document 002 has one behind each comma).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.outcome import Refusal
from pipeline.register.decode import CODECS, Decoded, refusal_at
from pipeline.register.limits import RegisterLimits

COLUMNS = 3
EXTRA, QUOTES = 3, 4  # what stands behind the columns of a row: R04, R05

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_QUOTED = re.compile(rb'[ \t]*+"([^"]*+(?:""[^"]*+)*+)"[ \t]*+(?=,|\Z)')
_BARE = re.compile(rb'[^",]*+(?=,|\Z)')
_BLANKS = " \t\u00a0\u3000"
_NOTHING = ' \t,"\u00a0\u3000'
_LONGEST_HEADER = 400
_VISIBLE = {"\t": "Tab"}
_SEPARATORS = "\t;|，；、"
_HEADER_WORDS = (
    "身分證", "身份證", "證號", "電子郵件", "信箱", "電話", "手機", "mail", "phone", "identity",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A value and where its bytes stand; ``text`` is None where the bytes are the value (UTF-8)."""

    offset: int
    length: int
    text: str | None = None


@dataclass
class Sheet:
    """The rows of a file. ``cells`` has per row the columns, then what is extra, then what can't be
    read; ``None`` where it isn't there. ``lines`` are the numbers of their lines from 1, ``places``
    offset and length of these; ``blank`` is the number of lines that hold nothing."""

    cells: list[tuple[Cell | None, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    header: Cell | None = None
    separator: Cell | None = None
    blank: int = 0


def read_sheet(payload: bytes, decoded: Decoded, limits: RegisterLimits) -> Sheet | Refusal:
    """The rows of a file. Refuses with R002 (too many) or R003 (none)."""
    reader = _Reader(payload, CODECS[decoded.encoding])
    sheet, commas = Sheet(), False
    for number, match in enumerate(_LINE.finditer(payload, decoded.start), start=1):
        start, stop = match.span(1)
        if start == len(payload):
            break
        blank = reader.is_blank(start, stop)
        if number > limits.lines or (len(sheet.cells) == limits.rows and not blank):
            most = f"{limits.rows:,}"
            return refusal_at(payload, "R002", start, f"上限 {most} 列", f"at most {most} rows")
        if blank:
            sheet.blank += 1
            continue
        if not sheet.cells and sheet.header is None and reader.is_header(start, stop):
            sheet.header = Cell(start, stop - start, reader.text(start, stop).strip(_BLANKS))
            continue
        commas = commas or payload.find(b",", start, stop) >= 0
        sheet.cells.append(reader.row(start, stop))
        sheet.lines.append(number)
        sheet.places.append((start, stop - start))
    if not sheet.cells:
        return refusal_at(payload, "R003", len(payload))
    if not commas:
        first, length = sheet.places[0]
        sheet.separator = reader.separator(first, first + length)
    return sheet


class _Reader:
    """Reads pieces of one payload."""

    def __init__(self, payload: bytes, codec: str) -> None:
        self._payload, self._codec = payload, codec

    def text(self, start: int, stop: int) -> str:
        """What stands there, as text."""
        return self._payload[start:stop].decode(self._codec)

    def is_blank(self, start: int, stop: int) -> bool:
        line = self._payload[start:stop].strip(b' \t,"')
        return not line or (not line.isascii() and not line.decode(self._codec).strip(_NOTHING))

    def is_header(self, start: int, stop: int) -> bool:
        if stop - start > _LONGEST_HEADER:
            return False
        line = self.text(start, stop)
        named = any(word in line.lower() for word in _HEADER_WORDS)
        return named and not any(character.isdigit() or character in "@＠" for character in line)

    def separator(self, start: int, stop: int) -> Cell | None:
        """The first character that looks meant to separate columns."""
        line = self.text(start, stop)
        places = [at for separator in _SEPARATORS if (at := line.find(separator)) >= 0]
        if not places:
            return None
        before, found = line[: min(places)], line[min(places)]
        offset = start + len(before.encode(self._codec))
        return Cell(offset, len(found.encode(self._codec)), _VISIBLE.get(found, found))

    def row(self, start: int, stop: int) -> tuple[Cell | None, ...]:
        """The cells of a line."""
        cells: list[Cell | None] = [None] * (COLUMNS + 2)
        at = start
        for column in range(COLUMNS):
            match = _QUOTED.match(self._payload, at, stop)
            quoted = match is not None
            match = match or _BARE.match(self._payload, at, stop)
            if match is None:
                return (*[None] * QUOTES, Cell(at, stop - at, self.text(at, stop)))
            cells[column] = self._cell(*match.span(1 if quoted else 0), quoted=quoted)
            at = match.end() + 1  # behind the comma
            if at > stop:
                return tuple(cells)
        if not self.is_blank(at, stop):
            cells[EXTRA] = self._cell(at, stop)
        return tuple(cells)

    def _cell(self, start: int, stop: int, *, quoted: bool = False) -> Cell:
        raw = self._payload[start:stop]
        start += len(raw) - len(raw.lstrip(b" \t"))
        raw = raw.strip(b" \t")
        if raw.isascii() and not (quoted and b'"' in raw):
            return Cell(start, len(raw))
        text = raw.decode(self._codec).strip(_BLANKS)
        return Cell(start, len(raw), text.replace('""', '"') if quoted else text)

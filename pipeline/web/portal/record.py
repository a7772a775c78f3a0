"""One record as it was sent, with what was found marked in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.desk.record import RecordView
from pipeline.report.marked_xml import Segment
from pipeline.web.house import HouseOf
from pipeline.web.identity import PageSession
from pipeline.web.portal.page import page
from pipeline.web.portal.shown_findings import shown_record
from pipeline.web.portal.upload import shown_name

router = APIRouter(include_in_schema=False)
_DEEPEST: Final = 4
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_ORDERS_IN_FULL: Final = 10  # with more, orders without findings are folded


@dataclass(frozen=True)
class Line:
    """A row of the XML. ``number`` is its line in the upload, ``None`` where the row goes on from
    the one before; ``notes`` are the findings that are told below it: those first marked here.
    ``depth`` is how far to indent a row, 0 to 4, where the upload itself does not."""

    number: int | None
    depth: int
    segments: tuple[Segment, ...]
    notes: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """Lines that stand together; ``folded`` ones are orders ``first`` to ``last``, all in order."""

    lines: tuple[Line, ...]
    folded: bool = False
    first: int = 0
    last: int = 0


@router.get("/uploads/{upload_id}/records/{number}")
def record(
    request: Request, house: HouseOf, session: PageSession, upload_id: str, number: int
) -> Response:
    """A record of an upload, masked; that it was looked at is logged."""
    view = house.desk.record(session.who, upload_id, number)
    institution = view.answer.envelope.institution
    house.accounts.audit.append(
        session.who.id, "record.seen", upload_id, institution, {"record": number}
    )
    numbers = sorted({one.record for one in view.answer.findings})
    return page(
        request,
        "record.html.j2",
        here=f"/uploads/{quote(upload_id, safe='')}",
        name=shown_name(view.answer.name),
        view=view,
        shown=shown_record(view.answer, number, view.findings),
        blocks=blocks(view),
        before=max((n for n in numbers if n < number), default=None),
        after=min((n for n in numbers if n > number), default=None),
    )


def blocks(view: RecordView) -> list[Block]:
    """The rows of a record, those of many faultless orders folded."""
    lines = _lines(view.marked)
    if view.orders <= _ORDERS_IN_FULL:
        return [Block(tuple(line for line, _ in lines))]
    wrong = {one.order for one in view.findings}
    out = []
    for folded, group in groupby(lines, lambda pair: pair[1] is not None and pair[1] not in wrong):
        pairs = list(group)
        orders = [order for _, order in pairs if order is not None]
        some = tuple(line for line, _ in pairs)
        out.append(Block(some, folded, orders[0], orders[-1]) if folded else Block(some))
    return out


def _lines(marked: Sequence[Segment]) -> list[tuple[Line, int | None]]:
    """Rows, each with the order it belongs to."""
    rows = [tuple(group) for _, group in groupby(marked, lambda one: one.row)]
    broken = len(rows) > len({row[0].line for row in rows})
    told: set[int] = set()
    lines: list[tuple[Line, int | None]] = []
    number, depth = 0, 0
    for row in rows:
        found = dict.fromkeys(n for one in row for n in one.findings if n not in told)
        told.update(found)
        begins = row[0].line
        text = "".join(one.text for one in row)
        indent = depth - text.startswith("</")
        depth += _opened(text)
        line = Line(
            begins if begins != number else None,
            min(max(indent, 0), _DEEPEST) if broken else 0,
            row,
            tuple(found),
        )
        number = begins
        lines.append((line, next((one.order for one in row if one.order is not None), None)))
    return lines


def _opened(text: str) -> int:
    """Elements that a row opens less those it closes."""
    return sum(-1 if tag.startswith("</") else not tag.endswith("/>") for tag in _TAG.findall(text))

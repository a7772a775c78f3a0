"""PURE: what the elements of an upload mean, one call an element: the structure of an upload.

The target of lxml's parser. A field lands in its cell; a fault that can be confined to one record
becomes a fault of that record; anything else raises ``Refused``. Structure (R-FILE-14): RECS > REC+
> MSH + (MB > MB1 + MB2*), the same in every version of the format; the fields, which the version
tells, stand in any order, each at most once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.limits import Limits
from pipeline.outcome import Refusal
from pipeline.parse.decode import refusal_at
from pipeline.parse.rows import Rows
from pipeline.parse.tokens import Tag
from pipeline.parse.transcript import Transcript
from schemas import Version

_LEAF_BOXES = frozenset(("MSH", "MB1", "MB2"))
_BOXES = frozenset(("RECS", "REC", "MB")) | _LEAF_BOXES


class Refused(Exception):  # noqa: N818 - a verdict on the upload, not an error of ours
    """Carries a refusal out of the parser's callbacks."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class CutOff(Exception):  # noqa: N818 - a verdict on the upload, not an error of ours
    """lxml reports an element whose tag has no end: the document is not well-formed."""


@dataclass(slots=True)
class _Open:
    """An open element: a box, a cell, or something faulty that is passed over."""

    tag: Tag
    role: str  # box, cell, fault, skipped
    inside: int  # where the text of the outermost faulty element or of this one begins
    text: list[str]
    size: int = 0  # characters of the text
    faults: list[int] | None = None  # that get their length at the end tag


class Builder:
    """Builds the transcript of one document from lxml's events and the tokenizer's places."""

    def __init__(
        self, payload: bytes, places: Iterator[Tag], limits: Limits, codec: str, version: Version
    ) -> None:
        self._payload = payload
        self._places = places
        self._fields = version.catalogue
        self._limits = limits
        self._most_records = limits.most_records(len(payload))
        self._most_orders = limits.most_orders(len(payload))
        self._most_faults = limits.most_findings(len(payload))
        self._stack: list[_Open] = []
        self.events = 0  # whatever lxml told so far
        self.stop = 0  # behind the last tag
        self._out = Transcript(payload, codec, version)
        self._seen: set[str] = set()  # boxes of the record so far

    # lxml's events

    def start(self, _name: str, _attributes: object) -> None:
        """An element begins."""
        self.events += 1
        tag = self._next()
        if tag.text_start >= 0:
            self._check_stray_text(tag)
        role = self._role(tag)
        inside = self._stack[-1].inside if role == "skipped" else tag.stop
        opened = _Open(tag, role, inside, [])
        self._stack.append(opened)
        if role == "fault":
            known = tag.name in _BOXES or tag.name in self._fields
            opened.faults = [self._fault("Y005" if known else "Y004", tag.start, 0, tag)]
        elif role == "box":
            self._enter(tag)
        elif role == "skipped":
            self._check_length(opened, tag.start)
        if tag.attributes and role in ("box", "cell"):
            if tag.name == "RECS":
                self._refuse(
                    "Y001", tag.start, "<RECS> 不可有屬性", "<RECS> may not have attributes"
                )
            opened.faults = [self._fault("Y003", tag.start, 0, tag)]

    def data(self, text: str) -> None:
        """Character data belongs to the cell it stands in; elsewhere the tokenizer judges it."""
        self.events += 1
        if self._stack and self._stack[-1].role == "cell":
            cell = self._stack[-1]
            cell.text.append(text)
            cell.size += len(text)
            if cell.size > self._limits.text_bytes:
                self._refuse_length(cell.tag)

    def comment(self, _text: str) -> None:
        """A comment: passed over."""
        self.events += 1

    def end(self, _name: str) -> None:
        """An element ends."""
        self.events += 1
        opened = self._stack[-1]
        start = opened.tag
        tag = start._replace(start=start.stop) if start.kind == "empty" else self._next()
        if tag.text_start >= 0 and start.kind != "empty":
            self._check_stray_text(tag)
        self._stack.pop()
        if opened.role in ("cell", "fault"):
            self._check_length(opened, tag.start)
        for fault in opened.faults or ():
            self._out.faults[fault][4] = tag.stop - start.start
        if opened.role == "cell":
            self._out.cell(start.name, start.stop, tag.start, "".join(opened.text))
        elif opened.role == "box":
            self._leave(start, tag)

    def close(self) -> None:
        """Called by lxml at the end of any document, broken ones too: says nothing."""

    def finish(self) -> None:
        """The document was well-formed to its end."""
        for tag in self._places:
            if tag.kind == "pi":
                self._refuse_instruction(tag)
        if not self._out.records:
            self._refuse("Y001", len(self._payload), "沒有任何 REC", "there is no REC")

    def rows(self, start: int, upload: int) -> Rows:
        """The rows of the document, whose first byte is ``start`` of the batch's buffer."""
        return self._out.rows(start, upload)

    # structure

    def _role(self, tag: Tag) -> str:
        if not self._stack:
            if tag.name != "RECS":
                self._refuse("Y001", tag.start, "最外層應為 <RECS>", "the root must be <RECS>")
            return "box"
        parent = self._stack[-1]
        if parent.role in ("fault", "skipped"):
            return "skipped"
        if parent.role == "cell":
            return "fault"
        inside = parent.tag.name
        if inside == "RECS":
            self._check_is_record(tag)
            return "box"
        if inside in _LEAF_BOXES:
            field = self._fields.get(tag.name)
            right = field is not None and field.level == inside
            return "cell" if right and tag.name not in self._out.names else "fault"
        return "box" if self._box_fits(inside, tag.name) else "fault"

    def _check_is_record(self, tag: Tag) -> None:
        if tag.name == "RECS":
            self._refuse("Y015", tag.start, "<RECS> 裡又有 <RECS>", "a <RECS> inside <RECS>")
        if tag.name != "REC":
            self._refuse(
                "Y001",
                tag.start,
                f"應為 <REC>，卻是 <{tag.name}>",
                f"expected <REC>, found <{tag.name}>",
            )

    def _box_fits(self, inside: str, name: str) -> bool:
        if inside == "REC":
            return name in ("MSH", "MB") and name not in self._seen and "MB" not in self._seen
        if name == "MB1":
            return not self._seen & {"MB1", "MB2"}
        return name == "MB2"

    def _enter(self, tag: Tag) -> None:
        out = self._out
        if tag.name == "REC":
            self._seen = set()
            if len(out.records) >= self._most_records:
                self._refuse("Z002", tag.start, "REC 太多", "too many REC")
            out.record(tag.start)
        elif tag.name == "MB1":
            out.records[-1][4] = tag.start
        elif tag.name == "MB2":
            if out.orders >= self._most_orders:
                self._refuse("Z002", tag.start, "MB2 太多", "too many MB2")
            out.order(tag.start)
        self._seen.add(tag.name)

    def _leave(self, start: Tag, tag: Tag) -> None:
        out = self._out
        if start.name == "MB" and "MB1" not in self._seen:
            self._missing("Y005" if "MB2" in self._seen else "Y003", start.start, "MB1")
        if start.name == "REC":
            out.records[-1][3] = tag.stop - start.start
            if "MB" not in self._seen:
                self._missing("Y003", start.start, "MB")
            if "MSH" not in self._seen:
                self._missing("Y002", start.start, "MSH")

    # places and faults

    def _next(self) -> Tag:
        tag = next(self._places, None)
        if tag is None:
            raise CutOff
        if tag.kind == "pi":
            self._refuse_instruction(tag)
        self.stop = tag.stop
        return tag

    def _refuse_instruction(self, tag: Tag) -> None:
        zh, en = "不接受處理指令（<?…?>）", "a processing instruction is not accepted"
        self._refuse("Y001", tag.start, zh, en)

    def _check_length(self, opened: _Open, stop: int) -> None:
        if stop - opened.inside > self._limits.text_bytes:
            self._refuse_length(opened.tag)

    def _refuse_length(self, tag: Tag) -> None:
        self._refuse("Z005", tag.start, f"{tag.name} 的內容過長", f"{tag.name} is too long")

    def _check_stray_text(self, tag: Tag) -> None:
        if not self._stack or self._stack[-1].role != "box":
            return
        box = self._stack[-1].tag
        if box.name == "RECS":
            self._refuse("Y001", tag.text_start, "<RECS> 裡有文字", "text between the records")
        self._fault("Y003", tag.text_start, tag.text_stop - tag.text_start, box)

    def _fault(self, code: str, start: int, length: int, element: Tag) -> int:
        self._check_faults()
        in_order = any(o.role == "box" and o.tag.name == "MB2" for o in self._stack)
        return self._out.fault(code, start, length, element, in_order)

    def _missing(self, code: str, at: int, name: str) -> None:
        self._check_faults()
        self._out.missing(code, at, name)

    def _check_faults(self) -> None:
        if len(self._out.faults) >= self._most_faults:
            zh, en = "結構錯誤太多，這是第一個", "too many structural faults; this is the first"
            self._refuse("Z006", self._out.faults[0][3], zh, en)

    def _refuse(self, code: str, at: int, zh: str, en: str) -> None:
        raise Refused(refusal_at(self._payload, code, at, zh, en))

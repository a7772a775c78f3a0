"""PURE: why a document that lxml refuses is not one upload, in the insurer's codes.

Walks the tags of a document already known to be broken (or to hold a DOCTYPE or a processing
instruction) to the first thing that is wrong. Y015 a second RECS, Y007 no end of RECS, Y006 no end
of a REC, Y001 anything else (domain rules R-FILE-2, 3, 4, 17).
"""

from __future__ import annotations

from pipeline.outcome import Refusal
from pipeline.parse.decode import Decoded, refusal_at
from pipeline.parse.tokens import tags


def diagnose(payload: bytes, decoded: Decoded, message: str, at: int, *, cut_off: bool) -> Refusal:
    """The refusal for a broken document.

    ``message`` and ``at`` (byte offset) are lxml's own, used when the tags show nothing wrong;
    ``cut_off`` says that lxml missed nothing but the end.
    """
    codec = "cp950" if decoded.encoding == "big5" else "utf-8"
    stack: list[str] = []
    nested: int | None = None
    records = 0  # open ones: looking for them in a deep stack would take for ever
    closed = False
    for tag in tags(payload, decoded.body, codec):
        if tag.kind in ("pi", "doctype"):
            return _not_allowed(payload, tag.kind, tag.start)
        if closed:
            return _after_end(payload, tag.kind, tag.name, tag.start)
        if tag.kind == "open":
            if tag.name == "REC":
                if records and nested is None:
                    nested = tag.start
                records += 1
            stack.append(tag.name)
        elif tag.kind == "close":
            if not stack or stack[-1] != tag.name:
                return _mismatch(payload, stack, tag.name, tag.start, nested)
            stack.pop()
            records -= tag.name == "REC"
        closed = not stack
    cut_off = cut_off or at >= len(payload.rstrip())
    return _at_the_end(payload, stack, message, at, nested, cut_off=cut_off)


def _not_allowed(payload: bytes, kind: str, at: int) -> Refusal:
    what = "DOCTYPE" if kind == "doctype" else "processing instruction"
    zh = "DOCTYPE" if kind == "doctype" else "處理指令（<?…?>）"
    return refusal_at(payload, "Y001", at, f"不接受 {zh}", f"a {what} is not accepted")


def _after_end(payload: bytes, kind: str, name: str, at: int) -> Refusal:
    if kind in ("open", "empty") and name == "RECS":
        return refusal_at(
            payload, "Y015", at, "第二個 <RECS> 從這裡開始", "a second <RECS> starts here"
        )
    return refusal_at(
        payload, "Y001", at, f"</RECS> 之後還有 {name}", f"{name} stands behind the closing </RECS>"
    )


def _mismatch(payload: bytes, stack: list[str], name: str, at: int, nested: int | None) -> Refusal:
    if name == "RECS" and "REC" in stack:
        where = at if nested is None else nested
        return refusal_at(
            payload, "Y006", where, "這裡之前缺少 </REC>", "</REC> is missing before this"
        )
    if not stack:
        return refusal_at(payload, "Y001", at, f"多出 </{name}>", f"</{name}> closes nothing")
    return refusal_at(
        payload,
        "Y001",
        at,
        f"應為 </{stack[-1]}>，卻是 </{name}>",
        f"expected </{stack[-1]}>, found </{name}>",
    )


def _at_the_end(
    payload: bytes, stack: list[str], message: str, at: int, nested: int | None, *, cut_off: bool
) -> Refusal:
    if stack and stack[0] == "RECS" and nested is not None:
        return refusal_at(
            payload, "Y006", nested, "這裡之前缺少 </REC>", "</REC> is missing before this"
        )
    if stack and stack[0] == "RECS" and cut_off:
        inside = stack[-1]
        zh = "檔案在這裡結束，缺少 </RECS>" + (f"（停在 {inside} 裡）" if inside != "RECS" else "")
        en = "the file ends here without </RECS>" + (
            f" (inside {inside})" if inside != "RECS" else ""
        )
        return refusal_at(payload, "Y007", len(payload), zh, en)
    return refusal_at(payload, "Y001", at, "不是正確的 XML", f"not well-formed: {message}")

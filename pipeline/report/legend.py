"""The closing legend of a receipt: what the field ids and the error codes mean."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from pipeline.report.big5 import big5
from rules.codes import error_codes
from rules.plan import Plan
from schemas import version_in

_NAME_BYTES = 20
_COLUMNS = 3


def legend(plan: Plan) -> bytes:
    """Big5 with CRLF: every field, every code of the insurer, then the codes of our own."""
    known = error_codes()
    return _legend(
        plan.layout,
        tuple(
            (code, plan.rules[rules[0]].summary_zh)
            for code, rules in sorted(plan.by_code.items())
            if code not in known
        ),
    )


@lru_cache(8)
def _legend(layout: str, ours: tuple[tuple[str, str], ...]) -> bytes:
    return big5("".join(line + "\r\n" for line in (*_field_lines(layout), *_code_lines(ours))))


def _field_lines(layout: str) -> Iterator[str]:
    yield "欄位與中文對照表"
    known = (f for f in version_in(layout).catalogue.values() if f.level != "MSH")
    cells = [f"<{f.id}>: {_padded(f.name_zh)}" for f in known]
    yield cells[0].rstrip()
    for at in range(1, len(cells), _COLUMNS):
        yield " ".join(cells[at : at + _COLUMNS]).rstrip()


def _padded(name: str) -> str:
    """Cut to 20 bytes of Big5, never through a character, and padded with blanks."""
    shown = big5(name)[:_NAME_BYTES].decode("cp950", "ignore")
    return shown + " " * (_NAME_BYTES - len(big5(shown)))


def _code_lines(ours: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield "錯誤代碼:中文對照註釋"
    for code, meaning in (*((c.code, c.meaning_zh) for c in error_codes().values()), *ours):
        yield f"[{code:<4}]: {meaning}"

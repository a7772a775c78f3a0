"""The catalogue as files: one self-contained HTML page and one page of Markdown.

The same rules give the same bytes: no clock, no paths, no order but the catalogue's.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import jinja2

from pipeline.report.catalogue import words
from pipeline.report.catalogue.coverage import coverage, decidable
from pipeline.report.catalogue.entries import STATES, Entry, entries
from pipeline.report.catalogue.fragment import Line
from pipeline.report.texts import field_name
from pipeline.version import ENGINE
from rules.codes import named_lists
from rules.model import Rule
from rules.plan import Plan

HTML = "catalogue/index.html"
MARKDOWN = "CATALOGUE.md"
_TEMPLATES = "templates"
_INDENT = "  "


def pages(rules: Sequence[Rule], plan: Plan) -> dict[str, str]:
    """The files to write, by path below the documentation's folder."""
    told = _told(rules, plan)
    environment = _environment()
    style, script = _asset("style.css"), _asset("script.js")
    html = environment.get_template("index.html.j2").render(
        told,
        style=style,
        script=script,
        style_hash=_integrity(style),
        script_hash=_integrity(script),
    )
    markdown = environment.get_template("catalogue.md.j2").render(told)
    return {HTML: html, MARKDOWN: re.sub("\n{3,}", "\n\n", markdown).strip() + "\n"}


def _told(rules: Sequence[Rule], plan: Plan) -> dict[str, Any]:
    """What both templates speak of."""
    found = entries(rules)
    rows = coverage(found)
    conditions = " ".join(e.broken_when or "" for rule in rules for e in rule.editions)
    return {
        "entries": found,
        "by_initial": [(i, list(of)) for i, of in groupby(found, key=lambda e: e.initial)],
        "rules": rules,
        "assumed": sum(rule.certainty == "assumed" for rule in rules),
        "coverage": rows,
        "decidable": decidable(rows),
        "lists": {
            name: sorted(codes)
            for name, codes in sorted(named_lists().items())
            if re.search(rf"\b{re.escape(name)}\b", conditions)
        },
        "fields": _fields(found),
        "documents": sorted({a.document for rule in rules for a in rule.authority}),
        "engine": ENGINE,
        "plan": plan.hash,
    }


def _fields(found: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """(field, name in 繁體中文, name in English) of every place a finding may stand."""
    return [(field, *field_name(field)) for field in sorted({f for e in found for f in e.fields})]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, _TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, STATES=STATES)
    environment.filters.update(inline=_inline, cell=_cell, xml=_xml, tick=_tick)
    return environment


def _asset(name: str) -> str:
    return files(__package__).joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def _integrity(text: str) -> str:
    """For the page's content security policy, which allows nothing but these two texts."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>])")


def _inline(text: str) -> str:
    """Text on one line of Markdown, meaning what it says."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _cell(text: str) -> str:
    return _inline(text).replace("|", r"\|")


def _tick(text: str) -> str:
    """Code within a line of Markdown or a table cell."""
    return "`" + " ".join(text.split()).replace("|", r"\|") + "`"


def _xml(lines: Sequence[Line]) -> str:
    """A fragment as plain text, guilty places told in comments."""
    return "\n".join(_line(line) for line in lines)


def _line(line: Line) -> str:
    notes = " ".join(code for piece in line.pieces for code in piece.codes)
    texts = (
        f"<!-- {piece.text} 缺 missing -->" if piece.state == "missing" else piece.text
        for piece in line.pieces
    )
    return _INDENT * line.depth + "".join(texts) + (f"   <!-- ✗ {notes} -->" if notes else "")

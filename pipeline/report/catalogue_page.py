"""The rule catalogue as a page of Markdown, generated from the rule files and checked in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pipeline.report.explanation import SEVERITIES
from pipeline.report.texts import field_name
from rules.model import Rule

_DECIDED_BY = {
    "record": "the record alone",
    "parse": "the parser",
    "upload": "the upload as a whole",
    "state": "stored records (not in an offline check)",
    "reference": "a reference table",
    "outside": "nobody here",
}


def catalogue_page(rules: Sequence[Rule]) -> str:
    """Every rule in the order of its id; rules of one file (``each``) share a section."""
    ordered = sorted(rules, key=lambda rule: (str(rule.path), rule.line, rule.id))
    return "\n".join([*_opening(ordered), *_groups(ordered)]) + "\n"


def _opening(rules: Sequence[Rule]) -> Iterator[str]:
    yield "# 規則目錄 Rule catalogue"
    yield ""
    yield "由規則檔產生，請勿手改。Generated from `rules/catalogue/` by `nhi-upload rules docs`."
    yield ""
    files = len({rule.path for rule in rules})
    assumed = sum(rule.certainty == "assumed" for rule in rules)
    yield f"{len(rules)} rules in {files} files; {assumed} rest on an assumption."


def _groups(rules: Sequence[Rule]) -> Iterator[str]:
    for group, members in groupby(rules, key=lambda rule: rule.id.partition("/")[0]):
        yield from ("", f"## {group}")
        for _, of_file in groupby(members, key=lambda rule: rule.path):
            yield from _file(list(of_file))


def _file(rules: Sequence[Rule]) -> Iterator[str]:
    rule = rules[0]
    yield from ("", f"### {_name(rules)}", "")
    if len(rules) == 1:
        yield from _texts(rule)
    else:
        yield from _rows(rules)
    yield from ("", *_facts(rules))
    if rule.why is not None:
        yield f"- why: {_inline(rule.why.zh)} {_inline(rule.why.en)}"
    if rule.reason is not None:
        yield f"- not decided because: {_inline(rule.reason.zh)} {_inline(rule.reason.en)}"
    for source in rule.authority:
        quote = f": “{_inline(source.quote)}”" if source.quote else ""
        yield f"- source: {source.document}, {_inline(source.section)}{quote}"


def _name(rules: Sequence[Rule]) -> str:
    if len(rules) == 1:
        return rules[0].id
    return rules[0].id.rpartition("/")[0] + f" ({len(rules)} rules)"


def _texts(rule: Rule) -> Iterator[str]:
    now = rule.current
    yield f"{_inline(now.summary.zh)}  "
    yield _inline(now.summary.en)
    yield ""
    yield f"→ {_inline(now.remedy.zh)}  "
    yield _inline(now.remedy.en)


def _rows(rules: Sequence[Rule]) -> Iterator[str]:
    yield "| rule | code | field | says |"
    yield "|---|---|---|---|"
    for rule in rules:
        now = rule.current
        name = " ".join((rule.field, field_name(rule.field)[0])).strip()
        cells = (rule.id, now.code, name, f"{now.summary.zh} {now.summary.en}")
        yield "| " + " | ".join(_inline(cell).replace("|", "\\|") for cell in cells) + " |"


def _facts(rules: Sequence[Rule]) -> Iterator[str]:
    rule = rules[0]
    now = rule.current
    if len(rules) == 1:
        yield f"- code: {now.code} on {rule.field}"
    yield f"- severity: {SEVERITIES[now.severity]}"
    yield f"- {rule.status} since {rule.since}, {rule.certainty}"
    needs = f": {rule.needs}" if rule.needs else ""
    yield f"- decided by {_DECIDED_BY[rule.decided_by]}{needs}"
    if rule.decided_by == "record":
        yield f"- applies to {_applies(rule)}"
    first = f" (as in {rule.id})" if len(rules) > 1 else ""
    for edition in rule.editions:
        if edition.broken_when:
            yield f"- broken when{first}{_dates(rule, edition.start, edition.until)}: " + _code(
                edition.broken_when
            )


def _applies(rule: Rule) -> str:
    formats = "any format" if rule.applies.formats is None else "".join(rule.applies.formats)
    kinds = "any kind" if rule.applies.kinds is None else "kind " + ", ".join(rule.applies.kinds)
    return f"{formats}, {kinds}"


def _dates(rule: Rule, start: str | None, until: str | None) -> str:
    if len(rule.editions) == 1 and start is None and until is None:
        return ""
    return f" ({start or '…'} to before {until or '…'})"


def _code(expression: str) -> str:
    return f"`{_inline(expression)}`"


def _inline(text: str) -> str:
    return " ".join(text.split())

"""From the sections of a rule document to the rule, every key checked."""

from __future__ import annotations

from itertools import pairwise
from typing import cast, get_args

from rules.codes import error_codes
from rules.document import PLACEHOLDER, Section
from rules.expression import lower
from rules.functions import roc_moment
from rules.lookups import tables_of
from rules.model import (
    Applies,
    Authority,
    Bilingual,
    Certainty,
    Clock,
    DecidedBy,
    Edition,
    Rule,
    Status,
    VersionOf,
)
from rules.ops import OPS, KeyPart
from rules.plan import Severity
from rules.read_examples import examples
from rules.read_histories import histories
from rules.terms import ExpressionError, Term
from schemas import V1, every_field, layout_of, layouts, version_in
from schemas.fields import REGISTRATIONS

ELEMENTS = ("RECS", "REC", "MSH", "MB", "MB1", "MB2")


def read_rule(section: Section, row: str | None) -> Rule:
    """One rule of one document (one ``each`` row). ``RuleError`` where it isn't right."""
    decided_by = cast(DecidedBy, section.choice("decided_by", get_args(DecidedBy)))
    version = cast(VersionOf, section.choice("version", get_args(VersionOf), "2.0"))
    field = _field(section)
    layout = V1.layout if version == "1.0" else layout_of(field)
    editions = _editions(section, decided_by, layout)
    rule = Rule(
        id=section.text("id"),
        status=cast(Status, section.choice("status", get_args(Status))),
        since=section.text("since"),
        certainty=cast(Certainty, section.choice("certainty", get_args(Certainty))),
        decided_by=decided_by,
        field=field,
        applies=_applies(section, layout),
        editions=editions,
        authority=_authority(section),
        examples=examples(section, row),
        why=_optional_bilingual(section, "why"),
        needs=_needs(section, decided_by, editions),
        reason=_reason(section, decided_by),
        stops=section.flag("stops"),
        subsumes=section.texts("subsumes"),
        path=section.path,
        line=section.line,
        histories=histories(section, row, decided_by),
        version=version,
    )
    section.get("each")
    section.close()
    _check_layout(rule, layout, section)
    _check_scope(rule, section)
    _check_refusal(rule, section)
    return rule


def _field(section: Section) -> str:
    field = section.text("field")
    if field not in every_field() and field not in ELEMENTS:
        raise section.fail(
            f"there is no field {field}; use one of schemas/*.csv or {', '.join(ELEMENTS)}",
            section.line_of("field"),
        )
    return field


def _applies(section: Section, layout: str) -> Applies:
    applies = section.section("applies")
    if layout == REGISTRATIONS:
        if applies is not None:
            raise section.fail(f"{layout} have no formats and kinds; leave applies out")
        return Applies(None, None)
    visits = None if layout == V1.layout else ("A", "B")
    if applies is None:
        return Applies(formats=visits, kinds=("1",))
    formats = _values(applies, "formats", version_in(layout).formats, visits)
    kinds = _values(applies, "kinds", ("1", "2", "3", "4", "5"), ("1",))
    applies.close()
    return Applies(formats, kinds)


def _values(
    applies: Section, key: str, known: tuple[str, ...], default: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    value = applies.get(key)
    if value is None:
        return default
    if isinstance(value, str):
        if value == "any":
            return None
        raise applies.fail(f"{key} is a list, or any", value.line)
    values = applies.texts(key)
    if not values or not set(values) <= set(known):
        raise applies.fail(f"{key} holds {', '.join(known)}, not {', '.join(values)}", value.line)
    return values


def _editions(section: Section, decided_by: str, layout: str) -> tuple[Edition, ...]:
    for key in ("code", "severity", "summary", "remedy", "broken_when"):
        section.get(key)
    parts = section.sections("editions")
    if not parts:
        return (_edition(section, section, decided_by, layout),)
    found = []
    for part in parts:
        found.append(_edition(section, part, decided_by, layout))
        part.close()
    found.sort(key=lambda edition: edition.start or "")
    for earlier, later in pairwise(found):
        if earlier.clock != later.clock:
            raise section.fail("editions follow one clock; give all the same")
        if (earlier.until or "9") > (later.start or ""):
            raise section.fail("two editions overlap; end one where the next begins")
    return tuple(found)


def _edition(section: Section, part: Section, decided_by: str, layout: str) -> Edition:
    """The wording in ``part``; what it leaves out stands in ``section`` (they may be the same)."""
    dated = part is not section
    start, until = (_day(part, "from"), _day(part, "until")) if dated else (None, None)
    if dated and start is None and until is None:
        raise part.fail("an edition needs from, until or both")
    if start is not None and until is not None and start >= until:
        raise part.fail("until is not after from; the edition would never be in force")
    coded = _own(part, section, "severity")
    severity = cast(Severity, coded.choice("severity", get_args(Severity)))
    code = _own(part, section, "code")
    expression = _own(part, section, "broken_when")
    return Edition(
        start=start,
        until=until,
        clock=_clock(part, layout) if dated or layout == REGISTRATIONS else "visit",
        broken_when=_broken_when(expression, decided_by),
        code=_code(code, severity, decided_by, layout),
        severity=severity,
        summary=_bilingual(_own(part, section, "summary"), "summary"),
        remedy=_bilingual(_own(part, section, "remedy"), "remedy"),
    )


def _own(part: Section, section: Section, key: str) -> Section:
    part.get(key)
    return part if part.has(key) else section


def _clock(part: Section, layout: str) -> Clock:
    default = "receipt" if layout == REGISTRATIONS else None
    clock = cast(Clock, part.choice("clock", get_args(Clock), default))
    if clock == "visit" and layout == REGISTRATIONS:
        raise part.fail(f"{layout} have no visit; use clock: receipt", part.line_of("clock"))
    return clock


def _code(section: Section, severity: str, decided_by: str, layout: str) -> str:
    code, line = section.text("code"), section.line_of("code")
    own = "R" if layout == REGISTRATIONS else "Z"
    ours = len(code) == 4 and code[0] == own and code[1:].isdecimal()
    if not ours and (own == "R" or code not in error_codes()):
        listed = "not one" if own == "R" else "no code of errors.csv, nor one"
        raise section.fail(f"{code!r} is {listed} of ours ({own}###)", line)
    if own == "Z" and ours and severity == "reject":
        raise section.fail(f"{code} is a code of ours: it may only warn or refuse an upload", line)
    if severity == "refuse" and decided_by == "record":
        raise section.fail("a rule on records may reject or warn, not refuse an upload", line)
    return code


def _broken_when(section: Section, decided_by: str) -> str | None:
    text, line = section.optional("broken_when"), section.line_of("broken_when")
    if text is None:
        if decided_by == "record":
            raise section.fail("broken_when is missing; say when the rule is broken")
        return None
    if decided_by not in ("record", "reference", "upload"):
        raise section.fail(f"broken_when is for records; this is decided by {decided_by}", line)
    try:
        lower(text)
    except ExpressionError as error:
        raise section.fail(f"broken_when, column {error.column}: {error.message}", line) from error
    return text


def _day(section: Section, key: str) -> str | None:
    day = section.optional(key)
    if day is not None and (len(day) != 7 or roc_moment(day) is None):
        raise section.fail(f"{key} is {day!r}; write a ROC date yyyMMdd", section.line_of(key))
    return day


def _authority(section: Section) -> tuple[Authority, ...]:
    found = []
    for part in section.sections("authority"):
        found.append(Authority(part.text("document"), part.text("section"), part.text("quote", "")))
        part.close()
    if not found:
        raise section.fail("authority is missing; name the document and section it comes from")
    return tuple(found)


def _bilingual(section: Section, key: str) -> Bilingual:
    part = section.section(key)
    if part is None:
        raise section.fail(f"{key} is missing; give it in zh and en")
    texts = Bilingual(part.text("zh"), part.text("en"))
    part.close()
    for text in (texts.zh, texts.en):
        if left := PLACEHOLDER.search(text):
            raise part.fail(f"{key} holds {left[0]}, which no row of each fills in")
    return texts


def _optional_bilingual(section: Section, key: str) -> Bilingual | None:
    section.get(key)
    return _bilingual(section, key) if section.has(key) else None


def _needs(section: Section, decided_by: str, editions: tuple[Edition, ...]) -> str:
    """What must be there; for rules that ask reference tables, the names of these."""
    needs = section.text("needs", "")
    asked = {
        table
        for edition in editions
        if edition.broken_when is not None
        for table in _tables(lower(edition.broken_when))
    }
    if asked and (needs or decided_by != "reference"):
        raise section.fail("broken_when asks reference tables: say decided_by: reference, no needs")
    if not asked and not needs and decided_by in ("state", "reference"):
        raise section.fail(f"needs is missing; say what {decided_by} must be there")
    return ", ".join(sorted(asked)) or needs


def _check_refusal(rule: Rule, section: Section) -> None:
    """A rule that refuses the upload must say the same of every record."""
    for edition in rule.editions:
        if edition.broken_when is None or edition.severity != "refuse":
            continue
        gated = rule.applies != Applies(None, None) or (edition.clock == "visit" and edition.dated)
        if gated or _fields_of(lower(edition.broken_when)):
            raise section.fail(
                "a rule that refuses the upload looks at no field: use sender, address, received, "
                "official and vpn, applies: {formats: any, kinds: any}, and clock: receipt",
                section.line_of("severity"),
            )


def _check_layout(rule: Rule, layout: str, section: Section) -> None:
    """A rule speaks of one kind of upload, one for any version of none of their fields."""
    own = layouts()[layout].keys() if rule.version != "any" else frozenset[str]()
    for edition in rule.editions:
        read = _fields_of(lower(edition.broken_when)) if edition.broken_when else set()
        read |= {rule.field} - set(ELEMENTS)
        if strange := sorted(read - own):
            raise section.fail(
                f"{', '.join(strange)} is of another kind of upload than the rule",
                section.line_of("broken_when"),
            )


def _fields_of(term: Term) -> set[str]:
    """The fields that an expression reads."""
    found = set().union(*(_fields_of(arg) for arg in term.args))
    for name, value in zip(OPS[term.op].params, term.params, strict=True):
        if name in ("field", "other", "person"):
            found.add(cast(str, value))
        elif name == "keys":
            found |= {part for kind, part in cast("tuple[KeyPart, ...]", value) if kind == "field"}
    return found


def _tables(term: Term) -> set[str]:
    return set(tables_of(term.op, term.params)).union(*(_tables(arg) for arg in term.args))


def _reason(section: Section, decided_by: str) -> Bilingual | None:
    value = section.get("reason")
    if value is None:
        if decided_by == "outside":
            raise section.fail("reason is missing; say why the code can't be decided here")
        return None
    if isinstance(value, str):
        return Bilingual(str(value), str(value))
    return _bilingual(section, "reason")


def _check_scope(rule: Rule, section: Section) -> None:
    is_order = rule.field in every_field() and every_field()[rule.field].is_order
    for edition in rule.editions:
        if edition.broken_when is None:
            continue
        scope = lower(edition.broken_when).scope or "record"
        if (scope == "order") != is_order:
            wanted = "an order field" if scope == "order" else "a visit field or an element"
            raise section.fail(
                f"broken_when runs once per {scope}, so field must be {wanted}, "
                f"not {rule.field}; use some(…), every(…) or count(…) to speak of all orders",
                section.line_of("field"),
            )

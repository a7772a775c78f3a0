"""``each``: one rule file, one rule for every row."""

from __future__ import annotations

from rules.document import Items, Mapping, Scalar, Section, Value, filled_in
from schemas import Field, versions

_SELECTORS = ("level", "mark", "kind", "except", "only")


def rows(section: Section) -> list[dict[str, str]]:
    """The rows of a rule's ``each``, every name with its text; none where there is no ``each``.

    Rows over the field catalogue hold ``F``, ``name_zh``, ``name_en``, ``max_length`` and, where
    they were selected by mark, ``marked_formats`` (the letters of the formats that carry it).
    """
    value = section.get("each")
    if value is None:
        return []
    if isinstance(value, Items):
        found = [_explicit(item, section) for item in value]
    else:
        found = _over_fields(section)
    if not found:
        raise section.fail("each gives no rows; select other fields", value.line)
    names = [next(iter(row.values())) for row in found]
    for name in names:
        if names.count(name) > 1:
            raise section.fail(
                f"two rows of each start with {name!r}; make them differ", value.line
            )
    return found


def row_document(document: Mapping, row: dict[str, str]) -> Mapping:
    """The document of one row: ``each`` gone, placeholders filled in, the id lengthened.

    Examples are left to the caller: they are filled in with the row that their ``for`` names.
    """
    name = next(iter(row.values()))
    kept = Mapping()
    kept.line = document.line
    for key, value in document.items():
        if key == "each":
            continue
        kept[key] = value if key == "examples" else filled_in(value, row)
    rule_id = kept[Scalar("id")]
    if isinstance(rule_id, Scalar):
        kept[Scalar("id")] = Scalar.at(f"{rule_id}/{name}", rule_id.line)
    if "marked_formats" in row:
        kept[Scalar("applies")] = _with_formats(kept.get(Scalar("applies")), row["marked_formats"])
    return kept


def _explicit(item: Value, section: Section) -> dict[str, str]:
    if not isinstance(item, Mapping) or not item:
        raise section.fail("a row of each must map names to texts", item.line)
    row: dict[str, str] = {}
    for key, value in item.items():
        if not isinstance(value, Scalar):
            raise section.fail(f"{key} of a row of each must be a text", value.line)
        row[str(key)] = str(value)
    return row


def _over_fields(section: Section) -> list[dict[str, str]]:
    each = section.section("each")
    selectors = each.section("fields") if each is not None else None
    if each is None or selectors is None:
        raise section.fail("each is a list of rows, or {fields: {…}}", section.line_of("each"))
    each.close()
    levels, marks, kinds, leave_out, only = (selectors.texts(key) for key in _SELECTORS)
    selectors.close()
    version = versions()[section.choice("version", tuple(versions()), "2.0")]
    for field_id in (*leave_out, *only):
        if field_id not in version.catalogue:
            raise selectors.fail(f"there is no field {field_id} in format {version.number}")
    found = []
    for field in version.catalogue.values():
        formats = "".join(f for f in version.formats if field.marks[f] in marks)
        if (
            field.id not in leave_out
            and (not only or field.id in only)
            and (not levels or field.level in levels)
            and (not kinds or field.kind in kinds)
            and (not marks or formats)
        ):
            found.append(_field_row(field, formats))
    return found


def _field_row(field: Field, formats: str) -> dict[str, str]:
    row = {
        "F": field.id,
        "name_zh": field.name_zh,
        "name_en": field.name_en.replace("_", " "),
        "max_length": "" if field.max_length is None else str(field.max_length),
    }
    return row | ({"marked_formats": formats} if formats else {})


def _with_formats(applies: Value | None, letters: str) -> Mapping:
    mapping = Mapping(applies if isinstance(applies, Mapping) else {})
    mapping.line = applies.line if applies is not None else 0
    formats = Items(Scalar(letter) for letter in letters)
    mapping[Scalar("formats")] = formats
    return mapping

"""Reads the rule catalogue. The only module that knows YAML."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from rules.document import Items, Mapping, RuleError, Scalar, Section, Value, filled_in
from rules.each import row_document, rows
from rules.model import Base, Rule
from rules.read import read_rule
from rules.read_examples import base
from rules.subsumption import check_subsumption

BASES = "bases.yaml"
_FOLDERS = {"1.0": "v1", "2.0": ""}


def catalogue() -> Path:
    """The catalogue that comes with the package."""
    return Path(str(files("rules").joinpath("catalogue")))


def load_rules(directory: Path | None = None, version: str = "2.0") -> tuple[Rule, ...]:
    """The rules below ``directory`` (default: the catalogue) about a version of the upload format,
    ``each`` written out, by id.

    Raises ``RuleError`` with file, line and what to do at the first thing that isn't right.
    """
    return tuple(r for r in load_every_rule(directory) if r.version in (version, "any"))


def load_every_rule(directory: Path | None = None) -> tuple[Rule, ...]:
    """The rules about any version."""
    root = catalogue() if directory is None else directory
    found: dict[str, Rule] = {}
    for path in sorted(root.rglob("*.yaml")):
        if path.name == BASES:
            continue
        for rule in load_file(path, root):
            if rule.id in found:
                raise RuleError(
                    f"{path}:{rule.line}: id {rule.id} is taken by {found[rule.id].path}; "
                    "rename one"
                )
            found[rule.id] = rule
    check_subsumption(found.values())
    return tuple(found[rule_id] for rule_id in sorted(found))


def load_file(path: Path, root: Path) -> tuple[Rule, ...]:
    """The rules of one file of a catalogue."""
    document = read_document(path)
    section = Section(document, path)
    wanted = path.relative_to(root).with_suffix("").as_posix()
    if section.text("id") != wanted:
        raise section.fail(f"id is {section.text('id')}; by its path it is {wanted}")
    each = rows(section)
    if not each:
        rules = [read_rule(Section(document, path), None)]
    else:
        rules = [_row(document, row, path) for row in each]
        _check_for(section, {next(iter(row.values())) for row in each})
    _check_examples(rules, section)
    for rule in rules:
        _check_histories(rule, section)
    return tuple(rules)


@cache
def load_bases(directory: Path | None = None, version: str = "2.0") -> dict[str, Base]:
    """The valid records that examples start from, by name."""
    path = (catalogue() if directory is None else directory) / _FOLDERS[version] / BASES
    section = Section(read_document(path), path)
    found = {}
    for name in section.mapping:
        part = section.section(name)
        if part is not None:
            found[str(name)] = base(str(name), part)
    return found


def load_every_base() -> dict[str, Base]:
    """The records of the catalogue that examples start from, of any version."""
    return {name: base for version in _FOLDERS for name, base in load_bases(None, version).items()}


def read_document(path: Path) -> Mapping:
    """One YAML document, which must be a mapping."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(f"{path}:{line}: not YAML ({error.problem}); mend the syntax") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}:1: not text in UTF-8; save the file as UTF-8") from error
    if not isinstance(node, yaml.MappingNode):
        raise RuleError(f"{path}:1: a rule file is one mapping; see docs/RULES.md")
    return _mapping(node, path)


def _value(node: yaml.Node, path: Path) -> Value:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Scalar.at(node.value, line)
    if isinstance(node, yaml.SequenceNode):
        items = Items(_value(item, path) for item in node.value)
        items.line = line
        return items
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path)
    raise RuleError(f"{path}:{line}: this can't stand in a rule file")


def _mapping(node: yaml.MappingNode, path: Path) -> Mapping:
    mapping = Mapping()
    mapping.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = _value(key_node, path)
        if not isinstance(key, Scalar):
            raise RuleError(f"{path}:{mapping.line}: a key must be a text")
        if key in mapping:
            raise RuleError(f"{path}:{key.line}: key {key} stands twice; keep one")
        mapping[key] = _value(value_node, path)
    return mapping


def _row(document: Mapping, row: dict[str, str], path: Path) -> Rule:
    name = next(iter(row.values()))
    mapping = row_document(document, row)
    listed = mapping.get(Scalar("examples"))
    if isinstance(listed, Items):
        own = Items(
            filled_in(item, row)
            if isinstance(item, Mapping) and item.get(Scalar("for")) == name
            else item
            for item in listed
        )
        own.line = listed.line
        mapping[Scalar("examples")] = own
    return read_rule(Section(mapping, path), name)


def _check_for(section: Section, names: set[str]) -> None:
    for part in (*section.sections("examples"), *section.sections("histories")):
        row = part.optional("for")
        if row is not None and row not in names:
            raise part.fail(f"for names {row}, which is no row of each")


def _check_examples(rules: list[Rule], section: Section) -> None:
    if not any(rule.is_compiled for rule in rules):
        return
    codes = {edition.code for rule in rules for edition in rule.editions}
    expected = [
        {part.partition(":")[2] for part in example.expect.split(";") if part}
        for rule in rules
        for example in rule.examples
    ]
    if not any(found & codes for found in expected):
        raise section.fail("examples has none that breaks the rule; add one with its code")
    if all(found & codes for found in expected):
        raise section.fail("examples has none that passes; add one without the rule's code")


def _check_histories(rule: Rule, section: Section) -> None:
    if rule.decided_by != "state" or rule.status != "stable":
        return
    finding = f"{rule.field}:{rule.current.code}"
    broken = [
        any(finding in record.expect.split(";") for record in history.records)
        for history in rule.histories
    ]
    if not any(broken):
        raise section.fail(f"histories has none that breaks {rule.id}; add one with {finding}")
    if all(broken):
        raise section.fail(f"histories has none that keeps {rule.id}; add one without {finding}")

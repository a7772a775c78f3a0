"""A YAML document as text, lists and mappings that know their lines, and strict ways to read it.

Every scalar is text (``07`` stays ``07``), so nothing depends on YAML's guesses.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class RuleError(Exception):
    """A rule file can't be taken; the message is ``file:line: what, and what to do``."""


class Scalar(str):
    """A text and the line (from 1) it stands on."""

    line: int = 0

    @classmethod
    def at(cls, text: str, line: int) -> Scalar:
        scalar = cls(text)
        scalar.line = line
        return scalar


class Items(list["Value"]):
    """A list and the line it starts on."""

    line: int = 0


class Mapping(dict[Scalar, "Value"]):
    """A mapping and the line it starts on."""

    line: int = 0


Value = Scalar | Items | Mapping


def filled_in(value: Value, row: dict[str, str]) -> Value:
    """The value with every ``{name}`` of the row put in; other braces stay as they are."""
    if isinstance(value, Scalar):
        return _scalar(value, row)
    if isinstance(value, Items):
        items = Items(filled_in(item, row) for item in value)
        items.line = value.line
        return items
    mapping = Mapping()
    mapping.line = value.line
    for key, item in value.items():
        mapping[_scalar(key, row)] = filled_in(item, row)
    return mapping


def _scalar(text: Scalar, row: dict[str, str]) -> Scalar:
    filled = PLACEHOLDER.sub(lambda found: row.get(found[1], found[0]), text)
    return Scalar.at(filled, text.line)


class Section:
    """One mapping, read key by key. ``close`` complains of keys that nobody asked for."""

    def __init__(self, mapping: Mapping, path: Path, name: str = "") -> None:
        self.mapping, self.path, self.line = mapping, path, mapping.line
        self._name = f" in {name}" if name else ""
        self._read: list[str] = []

    def fail(self, message: str, line: int | None = None) -> RuleError:
        """The error to raise, with its place."""
        return RuleError(f"{self.path}:{line or self.line}: {message}")

    def get(self, key: str) -> Value | None:
        """The value of a key, ``None`` where it is left out."""
        self._read.append(key)
        return self.mapping.get(Scalar(key))

    def has(self, key: str) -> bool:
        return Scalar(key) in self.mapping

    def text(self, key: str, default: str | None = None) -> str:
        """The text of a key; it must be there and filled unless there is a default."""
        value = self.get(key)
        if value is None:
            if default is None:
                raise self.fail(f"{key} is missing{self._name}; add it")
            return default
        if not isinstance(value, Scalar):
            raise self.fail(f"{key} must be a text{self._name}", value.line)
        if not value.strip() and default is None:
            raise self.fail(f"{key} is empty{self._name}; fill it in", value.line)
        return value.strip()

    def optional(self, key: str) -> str | None:
        """The text of a key, ``None`` where it is left out."""
        return self.text(key) if self.get(key) is not None else None

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """A text that is one of the choices."""
        text = self.text(key, default)
        if text not in choices:
            raise self.fail(
                f"{key} is {text!r}{self._name}; use one of {', '.join(choices)}", self.line_of(key)
            )
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where it is left out."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, Items) or not all(isinstance(item, Scalar) for item in value):
            raise self.fail(f"{key} must be a list of texts{self._name}", value.line)
        return tuple(str(item) for item in value)

    def table(self, key: str) -> dict[str, str]:
        """A mapping of texts to texts, empty where it is left out."""
        value = self.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(
            isinstance(item, Scalar) for item in value.values()
        ):
            raise self.fail(f"{key} must map texts to texts{self._name}", value.line)
        return {str(name): str(item) for name, item in value.items()}

    def section(self, key: str) -> Section | None:
        """A mapping within, ``None`` where it is left out."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.fail(f"{key} must be a mapping{self._name}", value.line)
        return Section(value, self.path, key)

    def sections(self, key: str) -> list[Section]:
        """A list of mappings, empty where it is left out."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, Items):
            raise self.fail(f"{key} must be a list{self._name}", value.line)
        for item in value:
            if not isinstance(item, Mapping):
                raise self.fail(f"{key} must be a list of mappings{self._name}", item.line)
        return [Section(item, self.path, key) for item in value if isinstance(item, Mapping)]

    def flag(self, key: str) -> bool:
        """A yes or no, no where it is left out."""
        return self.choice(key, ("true", "false"), "false") == "true"

    def count(self, key: str) -> int:
        """A number from 1."""
        text = self.text(key)
        if not text.isdecimal() or int(text) < 1:
            raise self.fail(f"{key} is {text!r}{self._name}; use a number from 1")
        return int(text)

    def line_of(self, key: str) -> int:
        """The line of a key's value, the section's own where it is left out."""
        value = self.mapping.get(Scalar(key))
        return self.line if value is None else value.line

    def close(self) -> None:
        """Complain of unknown keys."""
        for key in self.mapping:
            if key not in self._read:
                known = ", ".join(dict.fromkeys(self._read))
                raise self.fail(f"unknown key {key}{self._name}; known are {known}", key.line)

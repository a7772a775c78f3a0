"""Shapes of values: the small regular expressions of ``fields.csv`` and ``matches()``, as graphs.

The language: literals, ``.`` (any byte), classes ``[A-Z0-9]``, groups, ``|``, and the repeats
``{n}``, ``{m,n}``, ``?`` and ``*``. A shape is always matched whole; ``^`` and ``$`` around it are
allowed and mean nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_MOST_REPEATS = 1000


class Bytes(frozenset[int]):
    """A set of byte values."""

    @classmethod
    def all(cls) -> Bytes:
        return cls(range(256))


@dataclass
class Graph:
    """A nondeterministic automaton; state 0 is the start."""

    edges: list[list[tuple[Bytes, int]]] = field(default_factory=lambda: [[]])
    free: list[list[int]] = field(default_factory=lambda: [[]])
    _words: dict[tuple[int, str], int] = field(default_factory=dict)

    def state(self) -> int:
        """A new state."""
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def edge(self, source: int, label: Bytes, target: int) -> None:
        self.edges[source].append((label, target))

    def link(self, source: int, target: int) -> None:
        """A move that reads nothing."""
        self.free[source].append(target)

    def literal(self, source: int, text: str, target: int) -> None:
        """A path that reads ``text`` (UTF-8); paths with a common beginning share it."""
        for byte in text.encode():
            step = (source, chr(byte))
            if step not in self._words:
                self._words[step] = self.state()
                self.edge(source, Bytes((byte,)), self._words[step])
            source = self._words[step]
        self.link(source, target)

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """``states`` and what is reached from them without reading."""
        found = set(states)
        todo = list(found)
        while todo:
            fresh = set(self.free[todo.pop()]) - found
            found |= fresh
            todo += fresh
        return frozenset(found)

    def after(self, states: Iterable[int], byte: int) -> set[int]:
        """Where ``states`` lead by reading ``byte``."""
        return {t for s in states for label, t in self.edges[s] if byte in label}

    def byte_classes(self) -> tuple[npt.NDArray[np.uint8], list[int]]:
        """Bytes no edge tells apart share a class: the class of each byte, and one byte of each."""
        labels = sorted({label for row in self.edges for label, _ in row}, key=sorted)
        signatures = [tuple(byte in label for label in labels) for byte in range(256)]
        classes = {s: i for i, s in enumerate(dict.fromkeys(signatures))}
        representatives = [signatures.index(s) for s in classes]
        return np.array([classes[s] for s in signatures], np.uint8), representatives


def add_shape(graph: Graph, shape: str, accept: int) -> None:
    """Add ``shape`` to ``graph`` from state 0 to ``accept``. ``ValueError`` if it can't be read."""
    reader = _Reader(graph, shape)
    text = shape
    if text.startswith("^"):
        reader.at += 1
    reader.stop = len(text) - text.endswith("$")
    start = graph.state()
    graph.link(0, start)
    end = reader.choice(start)
    if reader.at != reader.stop:
        raise reader.error("unexpected")
    graph.link(end, accept)


@dataclass
class _Reader:
    """Recursive descent; every method takes the state it starts in and gives the one it ends in."""

    graph: Graph
    text: str
    at: int = 0
    stop: int = 0

    def error(self, what: str) -> ValueError:
        return ValueError(f"{what} at column {self.at + 1} of shape {self.text!r}")

    def peek(self) -> str:
        return self.text[self.at] if self.at < self.stop else ""

    def choice(self, start: int) -> int:
        ends = [self.sequence(start)]
        while self.peek() == "|":
            self.at += 1
            ends.append(self.sequence(start))
        end = self.graph.state()
        for each in ends:
            self.graph.link(each, end)
        return end

    def sequence(self, start: int) -> int:
        while self.peek() not in ("", "|", ")"):
            start = self.repeat(start)
        return start

    def repeat(self, start: int) -> int:
        piece_at = self.at
        entry = self.graph.state()  # a loop must not lead back into what came before
        self.graph.link(start, entry)
        end = self.piece(entry)
        after_piece = self.at
        least, most = self.bounds()
        if (least, most) == (1, 1):
            return end
        after_bounds = self.at
        ends = [end] if least <= 1 else []
        for count in range(2, (most or 1) + 1):
            self.at = piece_at
            end = self.piece(end)
            if self.at != after_piece:
                raise self.error("unexpected repeat")
            if count >= least:
                ends.append(end)
        self.at = after_bounds
        if most is None:
            self.graph.link(end, entry)
        out = self.graph.state()
        for each in ends:
            self.graph.link(each, out)
        if least == 0:
            self.graph.link(entry, out)
        return out

    def bounds(self) -> tuple[int, int | None]:
        """(least, most) of the repeat that stands here, (1, 1) where none does."""
        simple: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None)}
        if self.peek() in simple and self.peek():
            self.at += 1
            return simple[self.text[self.at - 1]]
        if self.peek() != "{":
            return 1, 1
        close = self.text.find("}", self.at)
        numbers = self.text[self.at + 1 : close].split(",")
        if close < 0 or len(numbers) > 2 or not all(n.isdecimal() for n in numbers):
            raise self.error("bad repeat")
        least, most = int(numbers[0]), int(numbers[-1])
        if most < max(least, 1) or most > _MOST_REPEATS:
            raise self.error("bad repeat")
        self.at = close + 1
        return least, most

    def piece(self, start: int) -> int:
        readers: dict[str, Callable[[int], int]] = {"(": self.group, "[": self.byte_class}
        here = self.peek()
        if here in readers:
            return readers[here](start)
        if here in tuple("?*{}+])^$\\"):
            raise self.error("unexpected")
        self.at += 1
        if here == ".":
            return self.read(start, Bytes.all())
        for byte in here.encode():
            start = self.read(start, Bytes((byte,)))
        return start

    def group(self, start: int) -> int:
        self.at += 1
        end = self.choice(start)
        if self.peek() != ")":
            raise self.error("group not closed")
        self.at += 1
        return end

    def byte_class(self, start: int) -> int:
        close = self.text.find("]", self.at + 2)
        inside = self.text[self.at + 1 : close]
        if close < 0 or not inside.isascii() or inside[0] == "^" or "\\" in inside:
            raise self.error("bad class")
        found: set[int] = set()
        at = 0
        while at < len(inside):
            last = at + 2 if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside) else at
            found.update(range(ord(inside[at]), ord(inside[last]) + 1))
            at = last + 1
        self.at = close + 1
        return self.read(start, Bytes(found))

    def read(self, start: int, label: Bytes) -> int:
        end = self.graph.state()
        self.graph.edge(start, label, end)
        return end

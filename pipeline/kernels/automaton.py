"""Every question a plan asks about the text of one field, as one table-driven automaton.

Membership in code lists, prefixes, shapes: each is a pattern, and a field's patterns are answered
together in one pass over its bytes, whatever their number. The pass gives a *label* per cell; the
answer to pattern ``p`` is ``answers[p][label]``. Label 0 is blank: absent, empty or only white
space. Adding a rule changes tables, never machine code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.kernels.shape import Bytes, Graph, add_shape

BLANK_LABEL = 0
_BLANK = "[ \t\r\n]*"
_MOST_STATES = 20_000


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton over bytes.

    A state is the offset of its row in ``step``, 0 the start: from ``state``, byte ``b`` leads to
    ``step[state + byte_class[b]]``, and ending there gives ``label[state]``. ``byte_class`` is
    uint8 (256,), ``step`` uint32 and ``label`` uint16 (states * classes,). States from
    ``first_sink`` on are never left, so a reader may stop there. ``answers`` holds, per pattern,
    bool (labels,); the blank label answers False.
    """

    byte_class: npt.NDArray[np.uint8]
    step: npt.NDArray[np.uint32]
    label: npt.NDArray[np.uint16]
    first_sink: int
    answers: dict[Pattern, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Pattern:
    """What a value may be asked: to be one of ``words``, to start with ``prefix`` or have a
    ``shape`` (the regular expressions of ``fields.csv``). Exactly one is given."""

    words: tuple[str, ...] | None = None
    prefix: str | None = None
    shape: str | None = None

    def add_to(self, graph: Graph, accept: int) -> None:
        """Add this pattern to ``graph``, ending in state ``accept``."""
        if self.words is not None:
            for word in self.words:
                graph.literal(0, word, accept)
        elif self.prefix is not None:
            graph.literal(0, self.prefix, accept)
            graph.edge(accept, Bytes.all(), accept)
        elif self.shape is not None:
            add_shape(graph, self.shape, accept)


def compile_patterns(patterns: Iterable[Pattern]) -> Automaton:
    """One automaton that answers all ``patterns``. ``ValueError`` for a shape it can't read."""
    asked = tuple(dict.fromkeys(patterns))
    graph = Graph()
    blank = graph.state()
    add_shape(graph, _BLANK, blank)
    accepts = {}
    for pattern in asked:
        accepts[graph.state()] = pattern
        pattern.add_to(graph, next(reversed(accepts)))

    byte_class, representatives = graph.byte_classes()
    subsets, step = _determinize(graph, representatives)
    order, first_sink = _sinks_last(step)
    place = np.argsort(order)
    accepted = [subsets[old] & (accepts.keys() | {blank}) for old in order]
    labels: dict[frozenset[int], int] = {frozenset((blank,)): BLANK_LABEL}
    label = [
        BLANK_LABEL if blank in found else labels.setdefault(found, len(labels))
        for found in accepted
    ]
    classes = len(representatives)
    return Automaton(
        byte_class,
        (place[step[order]] * classes).astype(np.uint32).reshape(-1),
        np.repeat(np.array(label, np.uint16), classes),
        first_sink * classes,
        {
            pattern: np.array([state in found for found in labels])
            for state, pattern in accepts.items()
        },
    )


def _determinize(
    graph: Graph, representatives: list[int]
) -> tuple[list[frozenset[int]], npt.NDArray[np.int64]]:
    """Subset construction: the sets of graph states, and per set and byte class the next set."""
    start = graph.closure((0,))
    numbers = {start: 0}
    subsets = [start]
    rows: list[list[int]] = []
    while len(rows) < len(subsets):
        row = []
        for byte in representatives:
            target = graph.closure(graph.after(subsets[len(rows)], byte))
            if target not in numbers:
                numbers[target] = len(subsets)
                subsets.append(target)
                if len(subsets) > _MOST_STATES:
                    raise ValueError("the patterns of one field need too many states")
            row.append(numbers[target])
        rows.append(row)
    return subsets, np.array(rows, np.int64)


def _sinks_last(step: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """Order of states that puts those never left last (the start stays first), and the first."""
    sink = (step == np.arange(len(step))[:, None]).all(axis=1)
    sink[0] = False
    return np.argsort(sink, kind="stable"), int((~sink).sum())

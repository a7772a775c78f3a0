"""The and, or and not of a plan that wait for nothing but columns there, bound for ``logic``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.kernels import logic
from pipeline.kernels.context import Column, Context
from pipeline.kernels.jit import Int32, UInt8
from rules.ops import FALSE, MAYBE, TRUE
from rules.plan import Node, Scope

_HOW: Final = {"and": logic.AND, "or": logic.OR, "not": logic.NOT}
JOINS: Final = frozenset(_HOW)
"""The operations that circuits evaluate."""

_ANSWERS: Final = (FALSE, TRUE, MAYBE)
_SAME: Final = np.repeat(np.array(_ANSWERS, np.uint8), logic.BLOCK).reshape(-1, logic.BLOCK)


@dataclass(frozen=True, eq=False)
class Circuit:
    """Nodes of one scope, by their indexes in the plan: it reads ``given`` columns, makes
    ``exported`` ones, and finds the true rows of ``watched`` nodes. The arrays are those of
    ``logic.evaluate``."""

    scope: Scope
    given: tuple[int, ...]
    exported: tuple[int, ...]
    nodes: Int32
    watched: UInt8
    how: UInt8
    left: Int32
    right: Int32
    slot: Int32
    export: Int32
    slots: int

    def run(
        self, ctx: Context, columns: Mapping[int, Column]
    ) -> Iterator[tuple[Int32, Int32] | dict[int, Column]]:
        """(nodes, rows) found true, a few blocks at a time; at last the exported columns."""
        said, place, given = self._given(ctx, columns)
        rows = ctx.rows(self.scope)
        exports = np.empty((len(self.exported), rows), np.uint8)
        seen = np.zeros(len(self.exported), np.uint8)
        room = int(self.watched.sum()) * min(rows, logic.BLOCK)
        start, count = 0, np.zeros(1, np.int64)
        while start < rows:
            node, row = np.empty(room, np.int32), np.empty(room, np.int32)
            start = logic.evaluate(
                self.how, self.left, self.right, self.slot, self.export, self.watched, self.slots,
                said, place, given, _SAME, start, exports, seen, node, row, count,
            )  # fmt: skip
            yield self.nodes[node[: count[0]]], row[: count[0]]
        yield {
            index: ctx.shared(self.scope, bits, column)
            for index, bits, column in zip(self.exported, seen.tolist(), exports, strict=True)
        }

    def _given(
        self, ctx: Context, columns: Mapping[int, Column]
    ) -> tuple[UInt8, Int32, logic.Matrix]:
        known = {id(ctx.same(self.scope, answer)): answer for answer in _ANSWERS}
        given = [columns[index] for index in self.given]
        said = np.array([known.get(id(column), logic.MIXED) for column in given], np.uint8)
        mixed = said == logic.MIXED
        place = (np.cumsum(mixed) - 1).astype(np.int32)
        chosen = [column for column in given if id(column) not in known]
        matrix = np.concatenate(chosen) if chosen else np.empty(0, np.uint8)
        return said, place, matrix.reshape(len(chosen), ctx.rows(self.scope))


def circuit_of(
    plan: Sequence[Node], chosen: Sequence[int], needed: Collection[int], watched: Collection[int]
) -> Circuit:
    """Bind some nodes of a plan, in its order: those ``needed`` as columns are exported."""
    own = {index: place for place, index in enumerate(chosen)}
    given = sorted({arg for index in chosen for arg in plan[index].args} - own.keys())
    number = {index: place for place, index in enumerate([*given, *chosen])}
    exported = [index for index in chosen if index in needed]
    slot = _slots(plan, chosen)
    return Circuit(
        plan[chosen[0]].scope,
        tuple(given),
        tuple(exported),
        np.array(chosen, np.int32),
        np.array([index in watched for index in chosen], np.uint8),
        np.array([_HOW[plan[index].op] for index in chosen], np.uint8),
        np.array([number[plan[index].args[0]] for index in chosen], np.int32),
        np.array([number[plan[index].args[-1]] for index in chosen], np.int32),
        np.array(slot, np.int32),
        np.array([exported.index(i) if i in needed else -1 for i in chosen], np.int32),
        max(slot) + 1,
    )


def _slots(plan: Sequence[Node], chosen: Sequence[int]) -> list[int]:
    """Where each node's block is kept: a place is used again once it has no later reader."""
    last = {index: index for index in chosen}
    for index in chosen:
        last.update((arg, index) for arg in plan[index].args if arg in last)
    ending: dict[int, list[int]] = {}
    for index, reader in last.items():
        ending.setdefault(reader, []).append(index)
    slot, free, slots = dict[int, int](), list[int](), list[int]()
    for index in chosen:
        slot[index] = free.pop() if free else len(set(slot.values()))
        slots.append(slot[index])
        free += [slot[done] for done in ending.get(index, ())]
    return slots

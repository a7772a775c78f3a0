"""Running a plan over a batch: every node once, in order, columns dropped after their last use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pipeline.columns import Batch
from pipeline.kernels.automaton import Pattern
from pipeline.kernels.context import Column, Context, Senders
from pipeline.kernels.jit import Int64
from pipeline.kernels.on_fields import Kernel, fields_of, patterns_of
from pipeline.kernels.ops import KERNELS
from pipeline.kernels.reader import Reader
from rules.plan import Node, Plan
from schemas import fields

K = TypeVar("K")


@dataclass(frozen=True)
class Step:
    """One node made ready: ``dropped`` columns and ``forgotten`` fields have no later reader."""

    kernel: Kernel
    node: Node
    dropped: tuple[int, ...]
    forgotten: tuple[str, ...]
    rules: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A plan bound to kernels, with one reader for each field it reads."""

    steps: tuple[Step, ...]
    readers: Mapping[str, Reader]

    def broken(
        self, batch: Batch, received: Int64, senders: Senders
    ) -> Iterator[tuple[int, Column]]:
        """(rule, truth column "broken") of every rule that is broken somewhere or unknown.

        Columns that are false throughout are left out.
        """
        ctx = Context(batch, received, senders, self.readers)
        nothing = (ctx.same("record", 0), ctx.same("order", 0))
        columns: dict[int, Column] = {}
        for index, step in enumerate(self.steps):
            node = step.node
            args = [columns[arg] for arg in node.args]
            column = columns[index] = step.kernel(ctx, node.params, args, node.scope)
            if step.rules and column is not nothing[0] and column is not nothing[1]:
                for rule in step.rules:
                    yield rule, column
            for name in step.forgotten:
                ctx.forget(name)
            for old in step.dropped:
                del columns[old]


def bind(plan: Plan) -> Program:
    """Bind every node to its kernel and make the readers its fields need."""
    last_reader = {index: index for index in range(len(plan.nodes))}
    last_field: dict[str, int] = {}
    asked: dict[str, list[Pattern]] = {}
    for index, node in enumerate(plan.nodes):
        last_reader.update(dict.fromkeys(node.args, index))
        for name in fields_of(node):
            last_field[name] = index
            asked.setdefault(name, [])
        for name, pattern in patterns_of(node):
            asked[name].append(pattern)
    rules_of: dict[int, list[int]] = {}
    for number, rule in enumerate(plan.rules):
        if rule.node is not None:
            rules_of.setdefault(rule.node, []).append(number)
    dropped = _by_step(last_reader)
    forgotten = _by_step(last_field)
    steps = tuple(
        Step(
            KERNELS[node.op],
            node,
            tuple(dropped.get(index, ())),
            tuple(forgotten.get(index, ())),
            tuple(rules_of.get(index, ())),
        )
        for index, node in enumerate(plan.nodes)
    )
    return Program(steps, {name: Reader(fields()[name], of) for name, of in asked.items()})


def _by_step(last: Mapping[K, int]) -> dict[int, list[K]]:
    """What has its last reader at each step."""
    steps: dict[int, list[K]] = {}
    for what, step in last.items():
        steps.setdefault(step, []).append(what)
    return steps

"""Running a plan over a batch: every node once, in order, columns dropped after their last use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.columns import Batch
from pipeline.kernels.automaton import Pattern
from pipeline.kernels.context import Column, Context, Senders
from pipeline.kernels.jit import Int64
from pipeline.kernels.on_fields import Kernel, fields_of, patterns_of
from pipeline.kernels.ops import KERNELS
from pipeline.kernels.reader import Reader
from pipeline.outcome import Envelope
from pipeline.references import NONE, References
from rules.plan import Node, Plan
from schemas import every_field

K = TypeVar("K")


@dataclass(frozen=True)
class Step:
    """One node made ready, by its ``index`` in the plan: ``dropped`` columns and ``forgotten``
    fields have no later reader."""

    index: int
    kernel: Kernel
    node: Node
    dropped: tuple[int, ...]
    forgotten: tuple[str, ...]
    rules: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A plan, or what some of its rules need of it, bound to kernels, with one reader for each
    field it reads."""

    steps: tuple[Step, ...]
    readers: Mapping[str, Reader]

    def broken(
        self,
        batch: Batch,
        received: Int64,
        senders: Senders,
        references: References = NONE,
        envelopes: Sequence[Envelope] = (),
    ) -> Iterator[tuple[int, Column]]:
        """(rule, truth column "broken") of every rule that is broken somewhere or unknown.

        Columns that are false throughout are left out.
        """
        ctx = Context(batch, received, senders, self.readers, references, envelopes)
        nothing = (ctx.same("record", 0), ctx.same("order", 0))
        columns: dict[int, Column] = {}
        for step in self.steps:
            node = step.node
            args = [columns[arg] for arg in node.args]
            column = columns[step.index] = step.kernel(ctx, node.params, args, node.scope)
            if step.rules and column is not nothing[0] and column is not nothing[1]:
                for rule in step.rules:
                    yield rule, column
            for name in step.forgotten:
                ctx.forget(name)
            for old in step.dropped:
                del columns[old]


def bind(plan: Plan, rules: Collection[int] | None = None) -> Program:
    """Bind nodes to their kernels and make the readers their fields need: every node, or those
    that ``rules`` (by index) stand on."""
    chosen = range(len(plan.rules)) if rules is None else rules
    nodes = list(range(len(plan.nodes))) if rules is None else _needed(plan, rules)
    last_reader = {index: index for index in nodes}
    last_field: dict[str, int] = {}
    asked: dict[str, list[Pattern]] = {}
    for index in nodes:
        node = plan.nodes[index]
        last_reader.update(dict.fromkeys(node.args, index))
        for name in fields_of(node):
            last_field[name] = index
            asked.setdefault(name, [])
        for name, pattern in patterns_of(node):
            asked[name].append(pattern)
    rules_of: dict[int, list[int]] = {}
    for number in chosen:
        start = plan.rules[number].node
        if start is not None:
            rules_of.setdefault(start, []).append(number)
    dropped = _by_step(last_reader)
    forgotten = _by_step(last_field)
    steps = tuple(
        Step(
            index,
            KERNELS[plan.nodes[index].op],
            plan.nodes[index],
            tuple(dropped.get(index, ())),
            tuple(forgotten.get(index, ())),
            tuple(rules_of.get(index, ())),
        )
        for index in nodes
    )
    return Program(steps, {name: Reader(every_field()[name], of) for name, of in asked.items()})


def _needed(plan: Plan, rules: Collection[int]) -> list[int]:
    """The nodes that rules stand on, in the plan's order."""
    starts = [plan.rules[number].node for number in rules]
    needed = {node for node in starts if node is not None}
    for index in range(len(plan.nodes) - 1, -1, -1):
        if index in needed:
            needed.update(plan.nodes[index].args)
    return sorted(needed)


def _by_step(last: Mapping[K, int]) -> dict[int, list[K]]:
    """What has its last reader at each step."""
    steps: dict[int, list[K]] = {}
    for what, step in last.items():
        steps.setdefault(step, []).append(what)
    return steps

"""Running a plan over a batch: every node once, in order, columns dropped after their last use.

The and, or and not of a plan, most of its nodes, run together as circuits, each as early as the
columns it needs are there; everything else is a step of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from pipeline.columns import Batch
from pipeline.kernels.automaton import Pattern
from pipeline.kernels.circuit import JOINS, Circuit, circuit_of
from pipeline.kernels.context import Column, Context, Senders
from pipeline.kernels.jit import Int32, Int64
from pipeline.kernels.on_fields import Kernel, fields_of, patterns_of
from pipeline.kernels.ops import KERNELS
from pipeline.kernels.reader import Reader
from pipeline.outcome import Envelope
from pipeline.references import NONE, References
from rules.ops import TRUE
from rules.plan import Node, Plan
from schemas import every_field

K = TypeVar("K")
Moment = tuple[int, int, int]  # stage; 0 for its steps, 1 for its circuits; step
_IN_CIRCUITS: Final = (1, 0)


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
class Stage:
    """Steps, then the circuits that wait for nothing else; ``dropped`` as of a step."""

    steps: tuple[Step, ...]
    circuits: tuple[Circuit, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A plan, or what some of its rules need of it, bound to kernels, with one reader for each
    field it reads. ``rules_of`` are the rules that start at a node of a circuit."""

    stages: tuple[Stage, ...]
    readers: Mapping[str, Reader]
    rules_of: Mapping[int, tuple[int, ...]]

    def broken(
        self,
        batch: Batch,
        received: Int64,
        senders: Senders,
        references: References = NONE,
        envelopes: Sequence[Envelope] = (),
    ) -> Iterator[tuple[int, Int32]]:
        """(rule, rows where it is broken), rows int32 ascending of records or orders by the rule's
        scope. A rule may come again with later rows; one that is broken nowhere never comes."""
        ctx = Context(batch, received, senders, self.readers, references, envelopes)
        nothing = (ctx.same("record", 0), ctx.same("order", 0))
        columns: dict[int, Column] = {}
        for stage in self.stages:
            for step in stage.steps:
                node = step.node
                args = [columns[arg] for arg in node.args]
                column = columns[step.index] = step.kernel(ctx, node.params, args, node.scope)
                if step.rules and column is not nothing[0] and column is not nothing[1]:
                    yield from _told(step.rules, np.flatnonzero(column == TRUE).astype(np.int32))
                for name in step.forgotten:
                    ctx.forget(name)
                for old in step.dropped:
                    del columns[old]
            for circuit in stage.circuits:
                yield from self._run(circuit, ctx, columns)
            for old in stage.dropped:
                del columns[old]

    def _run(
        self, circuit: Circuit, ctx: Context, columns: dict[int, Column]
    ) -> Iterator[tuple[int, Int32]]:
        for made in circuit.run(ctx, columns):
            if isinstance(made, dict):
                columns.update(made)
                continue
            nodes, rows = made
            order = np.argsort(nodes, kind="stable")
            found, first = np.unique(nodes[order], return_index=True)
            for node, chosen in zip(found.tolist(), np.split(rows[order], first)[1:], strict=True):
                yield from _told(self.rules_of[node], chosen)


def _told(rules: Iterable[int], rows: Int32) -> Iterator[tuple[int, Int32]]:
    if len(rows):
        for rule in rules:
            yield rule, rows


def bind(plan: Plan, rules: Collection[int] | None = None) -> Program:
    """Bind nodes to their kernels and make the readers their fields need: every node, or those
    that ``rules`` (by index) stand on."""
    chosen = range(len(plan.rules)) if rules is None else rules
    nodes = list(range(len(plan.nodes))) if rules is None else _needed(plan, rules)
    rules_of: dict[int, list[int]] = {}
    for number in chosen:
        start = plan.rules[number].node
        if start is not None:
            rules_of.setdefault(start, []).append(number)
    starts = {node: tuple(found) for node, found in rules_of.items()}
    return Program(_stages(plan, nodes, starts), _readers(plan, nodes), starts)


def _readers(plan: Plan, nodes: Iterable[int]) -> dict[str, Reader]:
    asked: dict[str, list[Pattern]] = {}
    for index in nodes:
        for name in fields_of(plan.nodes[index]):
            asked.setdefault(name, [])
        for name, pattern in patterns_of(plan.nodes[index]):
            asked[name].append(pattern)
    return {name: Reader(every_field()[name], of) for name, of in asked.items()}


def _stages(
    plan: Plan, nodes: Sequence[int], starts: Mapping[int, tuple[int, ...]]
) -> tuple[Stage, ...]:
    at = _moments(plan, nodes)
    last = dict(at)
    last_field: dict[str, Moment] = {}
    needed = set[int]()
    for index in nodes:
        for arg in plan.nodes[index].args:
            last[arg] = max(last[arg], at[index])
            if at[index] != at[arg]:
                needed.add(arg)
        for name in fields_of(plan.nodes[index]):
            last_field[name] = max(last_field.get(name, at[index]), at[index])
    columns = {i: moment for i, moment in last.items() if i in needed or _is_step(plan.nodes[i])}
    dropped, forgotten = _by_moment(columns), _by_moment(last_field)
    stages = []
    for level in range(max((moment[0] for moment in at.values()), default=-1) + 1):
        own = [index for index in nodes if at[index][0] == level]
        steps = tuple(
            Step(
                index,
                KERNELS[plan.nodes[index].op],
                plan.nodes[index],
                tuple(dropped.get(at[index], ())),
                tuple(forgotten.get(at[index], ())),
                starts.get(index, ()),
            )
            for index in own
            if _is_step(plan.nodes[index])
        )
        joins = [index for index in own if not _is_step(plan.nodes[index])]
        scopes = {plan.nodes[index].scope: None for index in joins}
        circuits = tuple(
            circuit_of(
                plan.nodes, [i for i in joins if plan.nodes[i].scope == scope], needed, starts
            )
            for scope in scopes
        )
        stages.append(Stage(steps, circuits, tuple(dropped.get((level, *_IN_CIRCUITS), ()))))
    return tuple(stages)


def _is_step(node: Node) -> bool:
    return node.op not in JOINS


def _moments(plan: Plan, nodes: Iterable[int]) -> dict[int, Moment]:
    """When each node has its turn: a circuit after all steps of its stage; the steps that read
    what it makes in the next."""
    at = dict[int, Moment]()
    for index in nodes:
        node = plan.nodes[index]
        step = _is_step(node)
        stage = max(
            (at[arg][0] + (step and not _is_step(plan.nodes[arg])) for arg in node.args), default=0
        )
        at[index] = (stage, 0, index) if step else (stage, *_IN_CIRCUITS)
    return at


def _needed(plan: Plan, rules: Collection[int]) -> list[int]:
    """The nodes that rules stand on, in the plan's order."""
    starts = [plan.rules[number].node for number in rules]
    needed = {node for node in starts if node is not None}
    for index in range(len(plan.nodes) - 1, -1, -1):
        if index in needed:
            needed.update(plan.nodes[index].args)
    return sorted(needed)


def _by_moment(last: Mapping[K, Moment]) -> dict[Moment, list[K]]:
    """What has its last reader at each moment."""
    found: dict[Moment, list[K]] = {}
    for what, moment in last.items():
        found.setdefault(moment, []).append(what)
    return found

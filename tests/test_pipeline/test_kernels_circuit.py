"""Circuits against Kleene's tables, node by node and row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest
from batches import make_batch

from pipeline.kernels.circuit import Circuit, circuit_of
from pipeline.kernels.context import Context, Senders
from pipeline.kernels.logic import BLOCK
from pipeline.kernels.run import bind
from pipeline.outcome import Envelope
from rules.ops import FALSE, MAYBE, TRUE
from rules.plan import Node, Plan

LEAVES = 6
AND = {(x, y): FALSE if FALSE in (x, y) else max(x, y) for x in range(3) for y in range(3)}
OR = {(x, y): TRUE if TRUE in (x, y) else max(x, y) for x in range(3) for y in range(3)}
NOT = {(FALSE,): TRUE, (TRUE,): FALSE, (MAYBE,): MAYBE}
TABLES = {"and": AND, "or": OR, "not": NOT}


def random_nodes(rng: Random, joins: int) -> list[Node]:
    nodes = [Node("filled", ("M20",), (), "record", "truth")] * LEAVES
    for _ in range(joins):
        op = rng.choice(["and", "or", "not"])
        args = tuple(rng.randrange(len(nodes)) for _ in range(1 if op == "not" else 2))
        nodes.append(Node(op, (), args, "record", "truth"))
    return nodes


def context(rows: int) -> Context:
    nobody = Senders(np.empty(0, np.uint8), np.zeros(1, np.int32), np.zeros(1, np.int32))
    now = datetime(2025, 3, 5, tzinfo=UTC)
    batch = make_batch([({"M20": "1"}, []) for _ in range(rows)])
    return Context(batch, np.zeros(1, np.int64), nobody, {}, envelopes=[Envelope(now)])


def leaves(rng: Random, ctx: Context, rows: int) -> dict[int, np.ndarray]:
    """Some the same throughout, one of those not shared; some mixed, some so in a block only."""
    column = dict[int, np.ndarray]()
    for leaf in range(LEAVES):
        same = rng.randrange(3)
        column[leaf] = ctx.same("record", same)
        if leaf % 3:
            column[leaf] = np.full(rows, same, np.uint8)
            few = rng.choice([0, 1, rows // 4, rows])
            column[leaf][:few] = [rng.randrange(3) for _ in range(few)]
    return column


def expected(nodes: list[Node], given: dict[int, np.ndarray]) -> list[list[int]]:
    columns = [given[leaf].tolist() for leaf in range(LEAVES)]
    for node in nodes[LEAVES:]:
        rows = zip(*(columns[arg] for arg in node.args), strict=True)
        columns.append([TABLES[node.op][row] for row in rows])
    return columns


def ran(
    circuit: Circuit, ctx: Context, given: dict[int, np.ndarray]
) -> tuple[dict[int, list[int]], dict[int, np.ndarray]]:
    """True rows by watched node, and the exported columns."""
    *finds, exported = circuit.run(ctx, given)
    true = dict[int, list[int]]()
    for nodes, rows in finds:
        for node, row in zip(nodes.tolist(), rows.tolist(), strict=True):
            true.setdefault(node, []).append(row)
    return true, exported


@pytest.mark.parametrize("rows", [0, 1, 10, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("seed", range(4))
def test_circuits_follow_kleene(rows: int, seed: int) -> None:
    rng, ctx = Random(seed), context(rows)
    nodes, given = random_nodes(rng, 60), leaves(rng, ctx, rows)
    joins = list(range(LEAVES, len(nodes)))
    needed, watched = set(rng.sample(joins, 12)), set(rng.sample(joins, 25))
    true, exported = ran(circuit_of(nodes, joins, needed, watched), ctx, given)
    wanted = expected(nodes, given)
    assert {node: column.tolist() for node, column in exported.items()} == {
        node: wanted[node] for node in needed
    }
    assert true == {
        node: found
        for node in watched
        if (found := [row for row, answer in enumerate(wanted[node]) if answer == TRUE])
    }


def test_what_is_the_same_throughout_is_the_shared_column() -> None:
    ctx = context(BLOCK + 5)
    mixed = np.arange(BLOCK + 5, dtype=np.uint8) % 3
    nodes = [
        Node("filled", ("M20",), (), "record", "truth"),
        Node("filled", ("M20",), (), "record", "truth"),
        Node("and", (), (0, 1), "record", "truth"),
        Node("not", (), (2,), "record", "truth"),
    ]
    circuit = circuit_of(nodes, [2, 3], {2, 3}, ())
    _, exported = ran(circuit, ctx, {0: mixed, 1: ctx.same("record", FALSE)})
    assert exported[2] is ctx.same("record", FALSE)
    assert exported[3] is ctx.same("record", TRUE)


def test_a_plan_is_cut_where_steps_need_what_circuits_make() -> None:
    order, record = ("order", "truth"), ("record", "truth")
    nodes = (
        Node("filled", ("D06",), (), *order),
        Node("not", (), (0,), *order),
        Node("some", (), (1,), *record),
        Node("filled", ("M20",), (), *record),
        Node("and", (), (2, 3), *record),
    )
    stages = bind(Plan(nodes, (), "")).stages
    assert [[step.index for step in stage.steps] for stage in stages] == [[0, 3], [2]]
    assert [[c.nodes.tolist() for c in stage.circuits] for stage in stages] == [[[1]], [[4]]]

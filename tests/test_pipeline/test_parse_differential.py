"""The fast way against lxml: whatever it accepts, it must see exactly as lxml does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from mutations import SEED_DOCUMENTS, SEED_DOCUMENTS_V1, mutate

from pipeline.columns import Batch
from pipeline.parse.parse import parse_many
from schemas import V1, V2, Version

MUTATIONS = 200_000
LONG_MUTATIONS = 5_000_000
GROUP = 4_000


def tail_values(batch: Batch) -> list[bytes]:
    """The value of every moved cell, in the order of ``batch.moved``."""
    moved = batch.moved
    values = []
    for is_order, field, row in zip(moved.is_order, moved.field, moved.row, strict=True):
        cells = batch.orders if is_order else batch.visits
        at, size = int(cells.offset[field, row]), int(cells.length[field, row])
        assert at >= batch.tail
        values.append(batch.buffer[at : at + size].tobytes())
    return values


def same_cells(a: Batch, b: Batch, name: str) -> bool:
    """Same presence, lengths and places; the order of values within the tail is free."""
    x, y = getattr(a, name), getattr(b, name)
    standing = (x.length >= 0) & (x.offset < a.tail)
    return (
        np.array_equal(x.length, y.length)
        and np.array_equal(standing, (y.length >= 0) & (y.offset < b.tail))
        and np.array_equal(x.offset[standing], y.offset[standing])
    )


def difference(a: Any, b: Any) -> str | None:
    """Name of the first field in which two batches (or parts of them) differ."""
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("visits", "orders"):
            same = same_cells(a, b, field.name)
        elif field.name == "buffer":
            same = bool((x[: a.tail] == y[: b.tail]).all()) and tail_values(a) == tail_values(b)
        elif isinstance(x, np.ndarray):
            same = np.array_equal(x, y)
        elif is_dataclass(x):
            same = difference(x, y) is None
        else:
            same = bool(x == y)
        if not same:
            return field.name
    return None


def accepted_by_fast(documents: list[bytes], utf8: bool, version: Version) -> list[bytes]:
    parsed = parse_many(documents, utf8=utf8, version=version)
    return [
        document
        for document, parser, refusal in zip(
            documents, parsed.parsers, parsed.refusals, strict=True
        )
        if parser == "fast" and refusal is None
    ]


def check(documents: list[bytes], utf8: bool, version: Version = V2) -> int:
    """Compare both ways on what the fast way accepts; gives how many those were."""
    accepted = accepted_by_fast(documents, utf8, version)
    if not accepted:
        return 0
    fast = parse_many(accepted, utf8=utf8, parser="fast", version=version)
    careful = parse_many(accepted, utf8=utf8, parser="lxml", version=version)
    if fast.refusals == careful.refusals and difference(fast.batch, careful.batch) is None:
        return len(accepted)
    for document in accepted:  # name the culprit
        one, other = (
            parse_many([document], utf8=utf8, parser=p, version=version) for p in ("fast", "lxml")
        )
        assert other.refusals == (None,), document
        assert difference(one.batch, other.batch) is None, document
    raise AssertionError("documents agree one by one but not together")


def mutated(
    count: int, seed: int, seeds: tuple[bytes, ...] = SEED_DOCUMENTS
) -> Iterator[list[bytes]]:
    random_ = random.Random(seed)
    for _ in range(0, count, GROUP):
        yield [mutate(random_, random_.choice(seeds)) for _ in range(GROUP)]


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed: int, pytestconfig: pytest.Config) -> None:
    count = LONG_MUTATIONS if pytestconfig.getoption("--long") else MUTATIONS
    accepted = sum(check(group, utf8=seed == 3) for group in mutated(count // 4, seed))
    assert accepted > count // 4 // 20  # enough of them were well-formed to say something


@pytest.mark.parametrize("seed", [4, 5])
def test_mutations_of_format_1(seed: int, pytestconfig: pytest.Config) -> None:
    count = LONG_MUTATIONS if pytestconfig.getoption("--long") else MUTATIONS // 8
    groups = mutated(count, seed, SEED_DOCUMENTS_V1)
    accepted = sum(check(group, utf8=seed == 5, version=V1) for group in groups)
    assert accepted > count // 20


@pytest.mark.parametrize("version", [V1, V2], ids=lambda version: version.number)
def test_uploads_read_in_the_other_version(version: Version) -> None:
    """Fields of the other version are faults of their records, alike on both ways."""
    seeds = SEED_DOCUMENTS if version is V1 else SEED_DOCUMENTS_V1
    assert check([*seeds], utf8=False, version=version) >= 3
    faults = parse_many(seeds, version=version).batch.faults
    names = {faults.names[name] for name in faults.name.tolist()}
    other = V2 if version is V1 else V1
    assert len(names & other.catalogue.keys()) > 5


def test_batches_of_mixed_ways() -> None:
    """Uploads of both ways in one call give the same rows as one by one."""
    random_ = random.Random(99)
    documents = [mutate(random_, random_.choice(SEED_DOCUMENTS)) for _ in range(400)]
    mixed = parse_many(documents)
    careful = parse_many(documents, parser="lxml")
    assert {"fast", "lxml"} <= set(mixed.parsers)
    assert mixed.refusals == careful.refusals
    assert difference(mixed.batch, careful.batch) is None
    assert isinstance(mixed.batch, Batch)

"""The scan alone, on one core: counting rows and finding every cell's place, no tables made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from bench.bench_parse import large
from bench.measure import Job, Prepare
from bench.uploads import UploadSet
from pipeline.parse import fast
from pipeline.parse.parse import parse_many


def _as_called(name: str, chosen: UploadSet) -> Callable[[], object]:
    """A kernel of the fast parser, with the arguments that parsing the set gives it."""
    kernel: Callable[..., object] = getattr(fast, name)
    caught: list[tuple[Any, ...]] = []

    def catching(*args: Any) -> object:
        caught.append(args)
        return kernel(*args)

    with patch.object(fast, name, catching):
        parse_many(chosen.payloads)
    return partial(kernel, *caught[0])


def scan() -> Job:
    """Both kernels: how many rows at most, then their cells."""
    chosen = large()
    count, cells = (_as_called(name, chosen) for name in ("count_rows", "scan"))
    return Job(lambda: (count(), cells()), chosen.size, chosen.records)


def scan_into_rows() -> Job:
    """With memory for the cells, and Chinese put into UTF-8: ``parse_many``."""
    chosen = large()
    return Job(lambda: parse_many(chosen.payloads), chosen.size, chosen.records)


CONTENDERS: dict[str, Prepare] = {"scan": scan, "parse to places": scan_into_rows}


@pytest.mark.parametrize("name", CONTENDERS)
def bench_scan(benchmark, name):  # type: ignore[no-untyped-def]
    benchmark.pedantic(CONTENDERS[name]().work, rounds=5, warmup_rounds=1)

"""What the design promises, as lines of the table: a contender, its peer, and how far ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.measure import Speed


@dataclass(frozen=True)
class Budget:
    """At least ``least`` of what ``of`` reads from the speeds of a group; ``says`` in words."""

    says: str
    least: float
    of: Callable[[dict[str, Speed]], float]
    unit: str


def _megabytes(name: str) -> Callable[[dict[str, Speed]], float]:
    return lambda speeds: speeds[name].megabytes_cpu


def _ratio(name: str, peer: str) -> Callable[[dict[str, Speed]], float]:
    return lambda speeds: speeds[name].megabytes_cpu / speeds[peer].megabytes_cpu


def _uploads(name: str) -> Callable[[dict[str, Speed]], float]:
    return lambda speeds: speeds[name].job.uploads / speeds[name].cpu


_OURS, _WHOLE = "ours", "ours, whole catalogue"

BUDGETS: dict[str, tuple[Budget, ...]] = {
    "scan": (Budget("scan, one core", 1000, _megabytes("scan"), "MB/s"),),
    "parse": (
        Budget("bytes to Arrow tables, one core", 350, _megabytes(_OURS), "MB/s"),
        Budget("… beside xml2arrow given UTF-8", 3, _ratio(_OURS, "xml2arrow, given UTF-8"), "×"),
        Budget("… beside lxml.iterparse", 10, _ratio(_OURS, "lxml.iterparse"), "×"),
    ),
    "validate": (
        Budget("bytes to findings, one core", 250, _megabytes(_WHOLE), "MB/s"),
        Budget(
            "… beside lxml.iterparse + Python rules", 20,
            _ratio(_WHOLE, "lxml.iterparse + Python rules"), "×",
        ),
        Budget(
            "… beside xmlschema + Python rules", 100,
            _ratio(_WHOLE, "xmlschema + Python rules"), "×",
        ),
    ),
    "tiny": (
        Budget("uploads of one record", 3000, _uploads("in groups of 1,000"), "a second"),
    ),
}  # fmt: skip
"""By group. Figures are of CPU time, so that a busy machine says the same as a quiet one."""

NATION_SECONDS, NATION_BYTES = 20.0, 2 * 1024**3

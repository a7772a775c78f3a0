"""Where things stand in a chart; the templates draw them as SVG. Pure geometry, in SVG units.

A chart shows nothing that is not in a table on the same page too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 440.0
THRESHOLD: Final = 0.995
"""From here on a share is 100 % when rounded."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 18.0, 26.0, 42.0
_PLOT_HEIGHT: Final = 150.0
_FLOORS: Final = (0.995, 0.99, 0.95, 0.9, 0.8, 0.5, 0.0)
_ROW: Final = 40.0
_BAR_TOP: Final = 20.0


@dataclass(frozen=True)
class Dot:
    """A share at its place, with what is written under and over it."""

    x: float
    y: float
    label: str
    text: str


@dataclass(frozen=True)
class DotChart:
    """Shares over time on an axis from ``floor`` to 100 %; ``ticks`` are (y, text)."""

    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    threshold: float
    floor: str
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    width: float = WIDTH
    height: float = _TOP + _PLOT_HEIGHT + _BOTTOM

    @property
    def path(self) -> str:
        """The line through the dots."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True)
class Bar:
    """One row: its label, its value in words, and how much of the full width it fills."""

    y: float
    label: str
    text: str
    filled: float


@dataclass(frozen=True)
class BarChart:
    """Bars one below the other; ``whole`` draws the unfilled rest too."""

    bars: tuple[Bar, ...]
    whole: bool
    width: float = WIDTH
    bar_top: float = _BAR_TOP

    @property
    def height(self) -> float:
        return len(self.bars) * _ROW


def dot_chart(shares: Sequence[tuple[str, float]]) -> DotChart:
    """Shares (label, 0 to 1) in their order. The axis begins as high as all of them allow."""
    lowest = min((share for _, share in shares), default=0.0)
    floor = next(f for f in _FLOORS if f < lowest or f == 0.0)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(shares))
    return DotChart(
        dots=tuple(
            Dot(_LEFT + step * (n + 0.5), _height(share, floor), label, percent(share))
            for n, (label, share) in enumerate(shares)
        ),
        ticks=tuple(
            (_height(share, floor), percent(share)) for share in (floor, (floor + 1) / 2, 1.0)
        ),
        threshold=_height(max(THRESHOLD, floor), floor),
        floor=percent(floor),
    )


def share_bars(rows: Sequence[tuple[str, float, str]]) -> BarChart:
    """Rows of (label, share from 0 to 1, value in words)."""
    bars = (
        Bar(n * _ROW, label, text, WIDTH * share) for n, (label, share, text) in enumerate(rows)
    )
    return BarChart(tuple(bars), whole=True)


def count_bars(rows: Sequence[tuple[str, int]]) -> BarChart:
    """Rows of (label, count), the longest bar as wide as the chart."""
    most = max((count for _, count in rows), default=0) or 1
    bars = (
        Bar(n * _ROW, label, f"{count:,}", WIDTH * count / most)
        for n, (label, count) in enumerate(rows)
    )
    return BarChart(tuple(bars), whole=False)


def percent(share: float) -> str:
    """A share to as many places as tell it from 100 %; never rounded up to it."""
    if share >= 1.0:
        return "100%"
    places = 1 if share < 0.9995 else 3
    cut = 10**places
    return f"{int(share * 100 * cut + 1e-9) / cut:g}%"


def _height(share: float, floor: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - (share - floor) / (1 - floor))

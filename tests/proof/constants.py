"""Numbers, days and shapes one step away from those that stand in a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from rules.functions import roc_moment


def shifted_number(value: int | float) -> list[int | float]:
    """One less and one more; a tenth for decimals. Never below zero."""
    step = 1 if isinstance(value, int) else 0.1
    return [round(other, 1) for other in (value - step, value + step) if other >= 0]


def shifted_day(text: str) -> list[str]:
    """The day before and the day after a ROC date or moment, written the same way."""
    moment = roc_moment(text)
    assert moment is not None, text
    return [_written(moment + timedelta(days=days)) + text[7:] for days in (-1, 1)]


def _written(moment: datetime) -> str:
    return f"{moment.year - 1911:03}{moment.month:02}{moment.day:02}"


def shifted_shape(shape: str) -> Iterator[str]:
    """Shapes with one alternative left out, one range narrower, or one number of times off."""
    parts = shape.split("|")
    if len(parts) > 1:
        for index in range(len(parts)):
            yield "|".join([*parts[:index], *parts[index + 1 :]])
    for found in re.finditer(r"(\w)-(\w)", shape):
        low, high = found.groups()
        if chr(ord(low) + 1) < high:
            for inner in (f"{chr(ord(low) + 1)}-{high}", f"{low}-{chr(ord(high) - 1)}"):
                yield shape[: found.start()] + inner + shape[found.end() :]
    for found in re.finditer(r"\{(\d+)\}", shape):
        for times in (int(found[1]) - 1, int(found[1]) + 1):
            yield shape[: found.start()] + f"{{{times}}}" + shape[found.end() :]
    for found in re.finditer(r"\[(\w{2,})\]", shape):
        for letter in found[1]:
            yield shape[: found.start(1)] + found[1].replace(letter, "") + shape[found.end(1) :]

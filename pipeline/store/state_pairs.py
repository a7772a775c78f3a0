"""Items of a state by the keys of its maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pipeline.merge.keys import UInt64, ledger_keys, live_keys, moment_keys, moment_parts, months
from pipeline.merge.recall import keys_of
from pipeline.merge.state_items import VISIT, Items


def items_of(values: Iterable[bytes], kind: np.dtype[np.void]) -> Items:
    """The items of some values, one after the other."""
    return np.frombuffer(b"".join(values), kind)


def bare(keys: UInt64) -> Items:
    """Visits of which nothing is known but the keys (n, 2)."""
    visits = np.zeros(len(keys), VISIT)
    visits["high"], visits["low"] = keys[:, 0], keys[:, 1]
    return visits


def names(items: Items) -> list[bytes]:
    """What tells items apart: the bytes of their keys. For prescriptions, keys of the ledger."""
    return ledger_keys(keys_of(items))


def moments(visits: Items) -> list[bytes]:
    """The moment of each visit."""
    return moment_keys(moment_parts(keys_of(visits)))


def counted(visits: Items) -> Counter[bytes]:
    """Live visits of each (institution, month)."""
    return Counter(live_keys(visits["owner"], months(visits["day"])))

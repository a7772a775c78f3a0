"""Kernel of a hash table of 128-bit keys: which of them are the same."""

from __future__ import annotations

import numpy as np
from numba import uint64

from pipeline.kernels.ids import UInt64, u64_2d
from pipeline.kernels.jit import Int32, helper, i32, kernel, scalar

NO_ENTRY = -1


@helper
def _scatter(high: np.uint64, low: np.uint64, seed: np.uint64) -> np.uint64:
    """A well mixed 64-bit hash of a key; whoever crafts keys must not know ``seed``."""
    mixed = (high ^ seed) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed = (mixed ^ low) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    mixed = mixed * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(32))


@kernel(scalar(i32, u64_2d, scalar, u64_2d, uint64, i32))
def find_or_add(
    slots: Int32, keys: UInt64, count: int, wanted: UInt64, seed: np.uint64, out: Int32
) -> int:
    """Entry number of each wanted key, adding those that are new; gives the new count.

    ``slots`` (a power of two long, at most half full) holds entry numbers or ``NO_ENTRY``;
    ``keys`` the keys in order of entry, with room for all wanted ones.
    """
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(wanted.shape[0]):
        high, low = wanted[i, 0], wanted[i, 1]
        slot = _scatter(high, low, seed) & mask
        while True:
            found = slots[slot]
            if found == NO_ENTRY:
                keys[count, 0], keys[count, 1] = high, low
                slots[slot] = count
                found = np.int32(count)
                count += 1
                break
            if keys[found, 0] == high and keys[found, 1] == low:
                break
            slot = (slot + np.uint64(1)) & mask
        out[i] = found
    return count

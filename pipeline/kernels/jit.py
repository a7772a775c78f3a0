"""How every kernel is compiled: explicit signature, kept on disk, no interpreter lock held.

A kernel is one visible loop over typed arrays whose last argument is ``out``. Where its machine
code is kept, and what makes it stale, is told by ``cache``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import int32, int64, njit, types, uint8, uint16, uint32

F = TypeVar("F", bound=Callable[..., Any])

UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]
UInt32 = npt.NDArray[np.uint32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

u8, u16, i32, i64 = uint8[::1], uint16[::1], int32[::1], int64[::1]
u32 = uint32[::1]
text = types.Array(uint8, 1, "C", readonly=True)  # a batch's buffer
scalar = int64
Index = int | np.uint64  # unsigned where a loop must not check for negative indexes


def kernel(signature: Any) -> Callable[[F], F]:
    """Compile a function for exactly one signature."""
    compiled: Callable[[F], F] = njit(signature, cache=True, nogil=True, error_model="numpy")
    return compiled


def helper(function: F) -> F:
    """Compile a function that kernels call."""
    return cast(F, njit(nogil=True, error_model="numpy")(function))

"""Asking memory for the cell that comes after next.

Going over one field of all records touches one cache line in every two kilobytes, which no
hardware prefetcher guesses. Measured on a batch of 22 MB: reading all fields takes half the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

AHEAD = 16  # rows


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001 - a type, int64 below
    """Have the line of ``array[index]`` (uint8) brought near. Never faults, whatever the index."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = cgutils.pointer_add(builder, data, args[1])
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, i32, i32, i32])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [address, i32(0), i32(3), i32(1)])  # read, keep near, data
        return context.get_dummy_value()

    return types.none(array, types.int64), generate

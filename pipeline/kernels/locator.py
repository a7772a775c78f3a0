"""Tells Numba where our kernels are kept and what makes them stale.

Numba's own locators watch only the file of the function they compiled, though helpers of other
files are compiled into it, and refuse a folder that can't be written. Numba loads this class by
the name in ``NUMBA_CACHE_LOCATOR_CLASSES``, which the package sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

from pipeline.kernels.cache import HERE, folder, sources_hash


class KernelLocator(UserProvidedCacheLocator):
    """Keeps the functions of this package in ``cache.folder()``; leaves others to Numba."""

    def __init__(self, py_func: Any, py_file: str, kept: Path) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str(kept)

    def get_source_stamp(self) -> str:
        """Compiled code is stale when any source of kernels or their constants has changed."""
        return sources_hash()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> KernelLocator | None:
        """A locator for a kernel of ours; ``None`` where Numba's own have to serve."""
        kept = folder() if Path(py_file).parent == HERE else None
        return None if kept is None else cls(py_func, py_file, kept)

"""Compiled loops over columns and bytes; ``ops.KERNELS`` binds every operation of a plan to them.

Policy. Every kernel has one explicit signature and is compiled when its module is imported. The
machine code is kept for exactly one processor (see ``cache``): on another it is compiled anew. So
images are built with ``NUMBA_CPU_NAME`` (``haswell``, say) and ``NUMBA_CPU_FEATURES`` set as they
will be when run, and call ``compile_all`` once. Importing this package compiles nothing; import
kernel modules where they are first needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from pipeline.kernels.cache import folder, folders, stamp

Progress = Callable[[int, int, str], None]
"""(modules done, modules in all, name of the one just done)"""

_LOCATORS = (
    "pipeline.kernels.locator.KernelLocator,"
    "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
)
os.environ.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", _LOCATORS)
if "numba" in sys.modules:  # imported before us: it has read its environment already
    sys.modules["numba"].config.CACHE_LOCATOR_CLASSES = _LOCATORS


def compile_all(progress: Progress | None = None) -> None:
    """Have every kernel compiled and kept on disk: some 20 s at first, then under 1 s."""
    names = [module.name for module in iter_modules(__path__)]
    for done, name in enumerate(names, start=1):
        import_module(f"{__name__}.{name}")
        if progress is not None:
            progress(done, len(names), name)
    kept = folder()
    if kept is not None and not stamp(kept).exists():
        stamp(kept).touch()


def is_cold() -> bool:
    """Whether ``compile_all`` has yet to run for these sources, this Numba and this processor."""
    return not any(stamp(kept).exists() for kept in folders())

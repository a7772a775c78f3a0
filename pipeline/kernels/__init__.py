"""Compiled loops over columns and bytes; ``ops.KERNELS`` binds every operation of a plan to them.

Policy. Every kernel has one explicit signature and is compiled when its module is imported. Numba
keeps the machine code beside the sources, or under ``NUMBA_CACHE_DIR``, for exactly one processor:
on another it compiles anew. So images are built with ``NUMBA_CPU_NAME`` (``x86-64-v3``, say) and
``NUMBA_CPU_FEATURES`` set as they will be when run, and call ``compile_all`` once. Importing this
package compiles nothing; import kernel modules where they are first needed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

Progress = Callable[[int, int, str], None]
"""(modules done, modules in all, name of the one just done)"""


def compile_all(progress: Progress | None = None) -> None:
    """Have every kernel compiled and kept on disk: some 20 s once, then under 1 s."""
    names = [module.name for module in iter_modules(__path__)]
    for done, name in enumerate(names, start=1):
        import_module(f"{__name__}.{name}")
        if progress is not None:
            progress(done, len(names), name)
    for stamp in _stamps():
        try:
            stamp.touch()
        except OSError:
            continue
        return


def is_cold() -> bool:
    """Whether ``compile_all`` has yet to run for these sources, this Numba and this processor."""
    return not any(stamp.exists() for stamp in _stamps())


def _stamps() -> Iterator[Path]:
    """Where the mark of a finished compilation may stand: beside the code it speaks of."""
    sources = [Path(path) for path in __path__]
    files = sorted(file for folder in sources for file in folder.glob("*.py"))
    facts = [version("numba"), *_processor()]
    facts += [f"{file.name} {file.stat().st_mtime_ns} {file.stat().st_size}" for file in files]
    name = f"kernels-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:16]}.compiled"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen, name)
        return
    yield from (folder / "__pycache__" / name for folder in sources)
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", name)


def _processor() -> list[str]:
    from llvmlite import binding

    cpu = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES") or binding.get_host_cpu_features().flatten()
    return [cpu, features]

"""Where compiled kernels are kept, and whether they are there. Imports no Numba.

The first of these folders that holds all kernels for these sources, this Numba and this processor
is read (it need not be writable: an image may carry it); else the first that can be written is
filled: ``NUMBA_CACHE_DIR`` if set, else beside the sources, else the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
_PACKAGES = Path(__file__).parents[2]
_CONSTANTS = (_PACKAGES / "rules" / "ops.py", _PACKAGES / "schemas" / "fields.csv")


@cache
def sources_hash() -> str:
    """A hash of every kernel source and of what constants are taken from: helpers and constants
    are compiled into the kernels that use them."""
    digest = hashlib.sha256(version("numba").encode())
    for file in (*sorted(HERE.glob("*.py")), *_CONSTANTS):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def folders() -> Iterator[Path]:
    """Where compiled kernels may be kept, the best place first."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen, "nhi-upload-kernels")
        return
    yield HERE / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    yield Path(home, "nhi-upload-kernels")


def stamp(folder: Path) -> Path:
    """The mark of a finished compilation in a folder."""
    return folder / f"kernels-{sources_hash()}-{_processor()}.compiled"


def folder() -> Path | None:
    """The folder to read from or to fill; ``None`` where none can be written."""
    for place in folders():
        if stamp(place).exists():
            return place
    return next((place for place in folders() if _writable(place)), None)


def _writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _processor() -> str:
    from llvmlite import binding

    cpu = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES") or binding.get_host_cpu_features().flatten()
    return hashlib.sha256(f"{cpu} {features}".encode()).hexdigest()[:8]

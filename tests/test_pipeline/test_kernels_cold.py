"""Whether the kernels say truly that they have yet to be compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import kernels


def test_cold_until_compiled_for_this_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert kernels.is_cold()
    seen: list[tuple[int, int, str]] = []
    kernels.compile_all(lambda done, total, name: seen.append((done, total, name)))
    assert not kernels.is_cold()
    assert [done for done, _, _ in seen] == list(range(1, seen[0][1] + 1))
    assert {"field", "truth", "orders"} <= {name for _, _, name in seen}
    monkeypatch.setenv("NUMBA_CPU_NAME", "another-processor")
    assert kernels.is_cold()


def test_importing_the_package_compiles_nothing() -> None:
    import subprocess
    import sys

    script = "import sys, pipeline.kernels; sys.exit('numba' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == 0

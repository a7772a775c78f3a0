"""Whether the kernels say truly that they have yet to be compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import kernels
from pipeline.kernels import cache


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


def test_compiled_kernels_serve_from_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kept = cache.folder()
    assert kept is not None
    cache.stamp(kept).touch()
    monkeypatch.setattr(cache, "_writable", lambda _place: False)
    assert cache.folder() == kept
    cache.stamp(kept).unlink()
    assert cache.folder() is None


def test_editing_any_kernel_source_makes_all_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in cache.HERE.glob("*.py"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(cache, "HERE", tmp_path)
    before = cache.sources_hash.__wrapped__()
    assert before == cache.sources_hash()
    (tmp_path / "simd.py").write_text("# changed\n", encoding="utf-8")
    assert cache.sources_hash.__wrapped__() != before


@pytest.mark.parametrize("source", ["rules/ops.py", "schemas/fields.csv"])
def test_constants_compiled_in_from_elsewhere_make_all_stale(source: str, tmp_path: Path) -> None:
    """A field more in fields.csv, and old kernels would leave its cells uninitialised."""
    import shutil
    import subprocess
    import sys

    here = Path(__file__).parents[2]
    for package in ("pipeline", "rules", "schemas"):
        unneeded = shutil.ignore_patterns("__pycache__", "catalogue", "store", "report")
        shutil.copytree(here / package, tmp_path / package, ignore=unneeded)

    def stamp() -> str:
        script = "from pipeline.kernels.cache import sources_hash; print(sources_hash())"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout

    before = stamp()
    assert stamp() == before
    with (tmp_path / source).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert stamp() != before


def test_every_kernel_is_kept_by_our_locator() -> None:
    from pipeline.kernels.locator import KernelLocator
    from pipeline.kernels.scan import scan

    assert isinstance(scan._cache._impl._locator, KernelLocator)

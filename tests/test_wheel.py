"""The wheel alone is enough: it carries every data file, owns its names, and judges an upload."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests/fixtures/samples/14_mixed_batch_with_errors.xml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_carries_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "pipeline", "rules", "schemas"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")  # fmt: skip
    assert {name for name in tracked if name} - inside == set()
    others = {name.split("/")[0] for name in inside}
    assert {name for name in others if not name.endswith(".dist-info")} == {
        "pipeline", "rules", "schemas",
    }  # fmt: skip


def test_installed_wheel_owns_its_names_and_judges(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--target", str(target), str(wheel)],
        check=True, capture_output=True,
    )  # fmt: skip
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    } | {"PYTHONPATH": str(target), "PYTHONWARNINGS": "ignore"}
    script = (
        "import importlib.metadata as m, pipeline, rules, schemas;"
        "own = m.packages_distributions();"
        "names = ('pipeline', 'rules', 'schemas');"
        "assert all('nhi-upload-pipeline' in own[name] for name in names), own;"
        f"assert all(p.__file__.startswith({str(target)!r}) for p in (pipeline, rules, schemas))"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, check=True)
    checked = subprocess.run(
        [sys.executable, "-m", "pipeline", "check", str(SAMPLE), "--format", "json",
         "--as-of", "2025-05-01T12:00"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 1, checked.stderr
    assert '"records_rejected":9' in checked.stdout

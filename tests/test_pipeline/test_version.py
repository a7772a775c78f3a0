"""The engine's version is the distribution's."""

import tomllib
from pathlib import Path

from pipeline.version import ENGINE


def test_engine_is_the_version_of_the_distribution() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == ENGINE

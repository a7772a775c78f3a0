"""The API against its own document: requests made up by schemathesis, every check on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from web_house import X, some_uploads, web_house

from pipeline.settings import Settings

EXAMPLES = 12
CONFIG = Path(__file__).parents[1] / "schemathesis.toml"


def test_the_api_does_as_its_document_says(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    unbounded = Settings(rate_uploads="999999999/day", rate_requests="999999999/day")
    examples = 20 * EXAMPLES if pytestconfig.getoption("--long") else EXAMPLES
    with web_house(tmp_path, unbounded) as web:
        some_uploads(web)
        ran = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis",
                "--config-file", CONFIG, "--no-color",
                "run", f"{web.url}/api/openapi.json",
                "--header", f"Authorization: Bearer {web.keys[X]}",
                "--max-examples", str(examples), "--generation-deterministic",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8_000:] + ran.stderr
    assert "Tested: 14" in ran.stdout, ran.stdout

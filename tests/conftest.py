"""Options and paths that all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # helpers beside the tests: mutations, oracles, batches

from crash.stage import stage as stage  # noqa: E402  a fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms of tests")

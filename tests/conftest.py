"""Options and paths that all tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from accounts_book import Book
    from crash.stage import Stage
    from web_house import WebHouse

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # helpers beside the tests: mutations, oracles, batches


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms of tests")


@pytest.fixture(scope="session")
def stage(pytestconfig: pytest.Config) -> Iterator[Stage]:
    """Where runs are killed: see ``crash.stage``."""
    from crash.stage import staged

    yield from staged(long=bool(pytestconfig.getoption("--long")))


@pytest.fixture(params=["sqlite", "postgresql"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    """Accounts on a new database, once of each kind: see ``accounts_book``."""
    from accounts_book import Book
    from postgres_server import fresh_database

    sqlite = f"sqlite:///{tmp_path}/accounts.sqlite"
    made = Book(sqlite if request.param == "sqlite" else fresh_database())
    with made.accounts:
        yield made


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """The whole web service, one for the tests of a file: see ``web_house``."""
    from web_house import web_house

    with web_house(tmp_path_factory.mktemp("web")) as served:
        yield served

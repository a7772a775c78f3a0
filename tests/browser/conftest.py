"""A real browser before the real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from portal_visitor import Visiting, Visitor
from web_house import WebHouse

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def _browser_path() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.fail(
            "These tests need a browser: apt-get install chromium (or google-chrome), "
            f"one of {', '.join(_NAMES)} on the PATH."
        )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser_path(), args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visiting(browser: Browser, web: WebHouse, tmp_path: Path) -> Iterator[Visiting]:
    """Opens a browser window for somebody; afterwards nothing may have been blocked, failed or
    asked of another host."""
    visitors: list[Visitor] = []

    def visit(lang: str = "zh", width: int = 1280, **context: Any) -> Visitor:
        opened = browser.new_context(
            base_url=web.url, viewport={"width": width, "height": 900}, locale="zh-TW", **context
        )
        visitors.append(Visitor(opened, web.url, tmp_path, lang, width))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.context.close()
    assert [line for visitor in visitors for line in visitor.trouble] == []

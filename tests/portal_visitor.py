"""Somebody before a browser, as the browser tests use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Page, Request
from web_house import NAMES, PASSWORD, X

# The browser's own line for an answer of 4xx, which some pages rightly are.
_EXPECTED = "Failed to load resource: the server responded with a status of 4"


class Visitor:
    """One window. ``trouble`` gathers what should not happen: messages in the console (a violated
    content security policy is one), faults of the script, requests to another host."""

    def __init__(
        self, context: BrowserContext, url: str, folder: Path, lang: str, width: int
    ) -> None:
        self.context = context
        self.lang = lang
        self.width = width
        self.page: Page = context.new_page()
        self.trouble: list[str] = []
        self._host = urlsplit(url).netloc
        self._folder = folder
        context.add_cookies([{"name": "lang", "value": lang, "url": url}])
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda fault: self.trouble.append(f"fault: {fault}"))
        self.page.on("request", self._request)

    def sign_in(self, name: str = X, password: str = PASSWORD) -> None:
        """Sign in by the page."""
        self.page.goto("/sign-in")
        self.page.fill("#name", NAMES.get(name, name))
        self.page.fill("#password", password)
        self.page.click("main form button")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def file(self, name: str, data: bytes) -> Path:
        """A file of theirs."""
        path = self._folder / name
        path.write_bytes(data)
        return path

    def send(self, *files: Path) -> None:
        """Choose files on the page for sending and send them."""
        self.page.goto("/send")
        self.page.set_input_files("#file", list(files))
        self.page.click("main form button")

    def download(self, selector: str) -> bytes:
        """What a link or button gives to keep."""
        with self.page.expect_download() as waiting:
            self.page.click(selector)
        given: Download = waiting.value
        return Path(given.path()).read_bytes()

    def unfold(self) -> None:
        """Open all that is folded away."""
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    def serious(self) -> list[str]:
        """What axe finds seriously or critically inaccessible."""
        violations: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [
            f"{self.page.url}: {one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def _console(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_EXPECTED):
            self.trouble.append(f"{self.page.url}: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._host:
            self.trouble.append(f"asked of another host: {request.url}")


Visiting = Callable[..., Visitor]
"""Opens a window: ``lang``, ``width``, and what else a browser's context takes."""

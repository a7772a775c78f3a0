"""The comparison's page in a browser: accessible, within its window, its files to be had."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import pyzipper
from dual_week import AS_OF, Week, dual_week, name_of
from playwright.sync_api import expect
from portal_visitor import Visiting
from web_house import INSURER, WebHouse, X


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    made = tmp_path_factory.mktemp("made")
    with dual_week(made, tmp_path_factory.mktemp("web")) as week:
        yield week


@pytest.fixture(scope="module")
def web(week: Week) -> WebHouse:
    return week.web


@pytest.mark.parametrize(("lang", "width"), [("zh", 1280), ("zh", 320), ("en", 320)])
def test_pages(visiting: Visiting, week: Week, lang: str, width: int) -> None:
    for name in (name_of(week.lacking), X, INSURER):
        visitor = visiting(lang, width)
        visitor.sign_in(name)
        for asked in (AS_OF, "113/05/01", "someday"):
            query = f"as_of={asked}" + (f"&institution={week.lacking}" if name == INSURER else "")
            visitor.page.goto(f"/precheck?{query}")
            visitor.page.evaluate(
                "for (const d of document.querySelectorAll('details')) d.open = 1"
            )
            assert visitor.serious() == []
            assert visitor.overflow() <= 0, query


def test_the_date_and_the_zip(visiting: Visiting, week: Week) -> None:
    visitor = visiting()
    page = visitor.page
    visitor.sign_in(name_of(week.lacking))
    page.click("nav >> text=預檢比對")
    page.fill("#as_of", "1130320")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("尚未符合改版資格")
    page.click("text=前一日")
    expect(page.locator("#as_of")).to_have_value("113/03/19")
    page.go_back()
    csv = visitor.download("text=1.0 比對不到 2.0 的清單")
    assert csv.startswith(b"\xef\xbb\xbf")
    page.click("text=加密下載")
    page.click("text=準備加密檔")
    password = page.locator(".secret").inner_text()
    zipped = visitor.download("main form button")
    with pyzipper.AESZipFile(io.BytesIO(zipped)) as packed:
        packed.setpassword(password.encode())
        assert packed.read(packed.namelist()[1]) == csv

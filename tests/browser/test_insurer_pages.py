"""The insurer's pages and those for anybody, in both languages, wide and narrow."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect
from portal_visitor import Visiting, Visitor
from visit_records import PERSON
from web_house import AUDITOR, INSURER, WebHouse, X, Y, good_visit, some_uploads

_NARROWEST = 320
_WAYS = [("zh", 1280), ("zh", _NARROWEST), ("en", _NARROWEST)]
_OF_THE_DATA = {"不顯示"}  # what stands for a signature in a record's XML
_OPEN = (
    "/codes", "/codes?q=birth&severity=warn", "/codes?q=xyzzy", "/codes/AA", "/codes/AA?field=M15",
    "/codes/D024", "/codes/Y007", "/codes/AAQ", "/rules", "/rules?decided=state&page=2",
    "/rules/required/M15", "/help",
)  # fmt: skip
_INSURER = (
    "/insurer", "/insurer/institutions", "/insurer/institutions?q=99999",
    f"/insurer/institutions/{X}", f"/insurer/institutions/{X}?from=1130101&to=1130102",
    f"/insurer/institutions/{X}?from=someday", "/insurer/search", "/insurer/held",
    "/insurer/health", f"/precheck?institution={X}",
)  # fmt: skip
_AUDITOR = (
    "/insurer",
    "/insurer/audit",
    "/insurer/audit?who=nobody",
    "/insurer/audit?from=someday",
)


@pytest.fixture(scope="module")
def uploads(web: WebHouse) -> dict[str, str]:
    return some_uploads(web)


@pytest.fixture(scope="module")
def held(web: WebHouse, uploads: dict[str, str]) -> list[str]:
    """Two uploads that wait for a decision."""
    found = []
    for institution, minutes in ((X, 20), (Y, 60)):
        sent = [good_visit(institution, PERSON, minutes + n) for n in range(30)]
        web.send(institution, *sent)
        found.append(web.send(institution, *(one.as_format("D") for one in sent)))
    until = time.monotonic() + 20
    while not all(one in web.browser(INSURER).get("/insurer/held").text for one in found):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


@pytest.mark.parametrize(("lang", "width"), _WAYS)
def test_pages_for_anybody(visiting: Visiting, lang: str, width: int) -> None:
    visitor = visiting(lang, width)
    assert _looked_at(visitor, _OPEN, translated=False) == []


@pytest.mark.parametrize(("lang", "width"), _WAYS)
def test_pages_of_the_insurer(
    visiting: Visiting, uploads: dict[str, str], held: list[str], lang: str, width: int
) -> None:
    visitor = visiting(lang, width)
    visitor.sign_in(INSURER)
    upload = uploads[X]
    pages = (*_INSURER, f"/insurer/held/{held[0]}", f"/uploads/{upload}",
             f"/uploads/{upload}/records/2")  # fmt: skip
    wrong = _looked_at(visitor, pages)
    for asked in (upload, X[:4], good_visit(X, PERSON, 1).id, "0" * 20):
        visitor.page.goto("/insurer/search")
        visitor.page.fill("#text", asked)
        visitor.page.click("main form button")
        wrong += _wrong(visitor)
    auditor = visiting(lang, width)
    auditor.sign_in(AUDITOR)
    assert wrong + _looked_at(auditor, _AUDITOR) == []


def test_a_held_upload_is_decided_by_keyboard(
    visiting: Visiting, web: WebHouse, held: list[str]
) -> None:
    visitor = visiting()
    page = visitor.page
    visitor.sign_in(INSURER)
    page.goto("/insurer")
    page.click("main >> text=暫緩的上傳")
    page.click(f'a[href="/insurer/held/{held[1]}"]')
    page.focus("#decision-release")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("院所說是誤傳")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("確定要作廢？")
    expect(page.locator("main")).to_contain_text("院所說是誤傳")
    assert visitor.serious() == []
    page.focus("main form button")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("已作廢")
    told = web.client(Y).get(f"/api/v1/uploads/{held[1]}").json()
    assert told["status"] == "dropped"


def test_a_code_is_found_without_scripts(visiting: Visiting) -> None:
    visitor = visiting(java_script_enabled=False)
    page = visitor.page
    page.goto("/codes")
    page.fill("#q", "M15:AA;D05[1]:AF;")
    page.click("main form button")
    expect(page.locator(".code-list li")).to_have_count(2)
    page.click("main >> text=AF")
    expect(page.locator("h1")).to_contain_text("AF")
    page.go_back()
    page.fill("#q", "m15:aa")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/codes/AA\?field=M15$"))
    expect(page.locator("h1")).to_contain_text("AA")
    page.click("main .places a, main .facts a >> nth=0")


def _looked_at(visitor: Visitor, paths: tuple[str, ...], *, translated: bool = True) -> list[str]:
    wrong = []
    for path in paths:
        visitor.page.goto(path)
        visitor.unfold()
        wrong += _wrong(visitor, translated=translated)
    return wrong


def _wrong(visitor: Visitor, *, translated: bool = True) -> list[str]:
    """What is wrong with the page as it stands."""
    page = visitor.page
    wrong = visitor.serious() if (visitor.lang == "en") == (visitor.width == _NARROWEST) else []
    over = visitor.overflow()
    if over > 0:
        wrong.append(f"{page.url}: {over} pixels too wide")
    if page.locator("h1").count() != 1:
        wrong.append(f"{page.url}: not one h1")
    if visitor.lang == "en" and translated:
        stray = set(re.findall("[一-鿿]{2,}", page.inner_text("main"))) - _OF_THE_DATA
        wrong += [f"{page.url}: not translated: {stray}"] if stray else []
    return wrong

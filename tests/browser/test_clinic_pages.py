"""Every page of a clinic in both languages, wide and narrow: accessible, and within its window."""

from __future__ import annotations

import io
import re

import pytest
import pyzipper
from playwright.sync_api import expect
from portal_visitor import Visiting, Visitor
from visit_records import PERSON, SOMEBODY_ELSE, upload
from web_house import WebHouse, X, Y, bad_visit, good_visit

_NARROWEST = 320
_LOOKED_INTO = {("zh", 1280), ("en", _NARROWEST)}
_NAME = "檔名長到一行放不下" * 6
_OF_THE_DATA = {_NAME, "門診系統", "不顯示"}
_HOSTILE = "<script src=//elsewhere.example></script>"
_SIGNED_IN = (
    "/uploads",
    "/uploads?from=1130101&to=113/01/02",
    "/uploads?from=yesterday",
    "/send",
    "/try",
    "/visits",
    "/account",
    "/nothing-here",
)


@pytest.fixture(scope="module")
def mixed(web: WebHouse) -> str:
    """An upload with good, rejected and warned records, and one with many orders."""
    many = bad_visit(X, SOMEBODY_ELSE, 201)
    orders = tuple(dict(many.orders[0]) | {"D03": f"{n:03}"} for n in range(1, 31))
    long = type(many)(many.fields, orders)
    strange = good_visit(X, PERSON, 202).but(M35=_HOSTILE + "x" * 400)
    return web.send(
        X, good_visit(X, PERSON, 203), long, strange, bad_visit(X, PERSON, 204),
        name=f"A123456789 {_NAME}<img src=//elsewhere.example>.xml",
    )  # fmt: skip


@pytest.mark.parametrize("width", [1280, _NARROWEST])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages(visiting: Visiting, mixed: str, lang: str, width: int) -> None:
    visitor = visiting(lang, width)
    page, wrong = visitor.page, list[str]()
    page.goto("/sign-in")
    wrong += _wrong(visitor)
    visitor.sign_in()
    record = f"/uploads/{mixed}/records/"
    for path in (*_SIGNED_IN, f"/uploads/{mixed}", f"{record}1", f"{record}2", f"{record}3"):
        page.goto(path)
        if "uploads/" in path:
            for details in page.locator("details > summary").all():
                details.click()
        wrong += _wrong(visitor)
    wrong += _answers_of_forms(visitor)
    assert wrong == []


def _answers_of_forms(visitor: Visitor) -> list[str]:
    """What forms lead to that no address does."""
    page, wrong = visitor.page, list[str]()
    sent = good_visit(X, PERSON, 210 + 2 * (visitor.lang == "en") + (visitor.width == _NARROWEST))
    page.goto("/try")
    page.set_input_files("#file", visitor.file("try.xml", upload([sent.broken(), sent])))
    page.click("main form button")
    expect(page.locator(".verdict")).to_be_visible()
    wrong += _wrong(visitor)
    page.goto("/visits")
    page.fill("#treatment-id", good_visit(X, PERSON, 203).id)
    page.click("main form button")
    expect(page.locator(".history li").first).to_be_visible()
    wrong += _wrong(visitor)
    page.fill("#treatment-id", good_visit(Y, PERSON, 203).id)
    page.click("main form button")
    expect(page.locator(".empty")).to_be_visible()
    wrong += _wrong(visitor)
    page.goto("/account")
    page.fill("#key-name", "門診系統")
    page.click("form[action='/account/keys'] button")
    expect(page.locator(".secret")).to_contain_text("nhi_")
    wrong += _wrong(visitor)
    visitor.send(visitor.file("a.xml", b"<RECS>"), visitor.file("b.xml", b"<RECS>"))
    expect(page.locator(".sent a")).to_have_count(2)
    return wrong + _wrong(visitor)


def _wrong(visitor: Visitor) -> list[str]:
    """What is wrong with the page as it stands; axe, which is slow, looks at each page twice."""
    page = visitor.page
    wrong = visitor.serious() if (visitor.lang, visitor.width) in _LOOKED_INTO else []
    over = visitor.overflow()
    if over > 0:
        wrong.append(f"{page.url}: {over} pixels too wide")
    if page.locator("h1").count() != 1:
        wrong.append(f"{page.url}: not one h1")
    named = page.evaluate("document.documentElement.lang")
    if named != {"zh": "zh-Hant-TW", "en": "en"}[visitor.lang]:
        wrong.append(f"{page.url}: said to be {named}")
    if visitor.lang == "en":
        chinese = re.findall("[一-鿿]{2,}", page.inner_text("main"))
        if stray := set(chinese) - _OF_THE_DATA:
            wrong.append(f"{page.url}: not translated: {stray}")
    return wrong


def test_the_language_is_kept(visiting: Visiting) -> None:
    visitor = visiting("zh")
    visitor.sign_in()
    visitor.page.click("a[hreflang=en]")
    expect(visitor.page.locator("h1")).to_have_text("Uploads and their results")
    visitor.page.goto("/send")
    expect(visitor.page.locator("h1")).to_have_text("Send visit records")
    visitor.page.click("a[hreflang=zh-Hant-TW]")
    expect(visitor.page.locator("h1")).to_have_text("上傳就醫資料")


def test_an_encrypted_download(visiting: Visiting, mixed: str) -> None:
    visitor = visiting()
    page = visitor.page
    visitor.sign_in()
    page.goto(f"/uploads/{mixed}")
    page.click("text=加密下載（AES zip）")
    page.fill("#password", "1234")
    page.click("text=準備加密檔")
    expect(page.locator("#errors")).to_be_focused()
    page.fill("#password", "")
    page.click("text=準備加密檔")
    password = page.locator(".secret").inner_text()
    zipped = visitor.download("main form button")
    assert _unzipped(zipped, password).startswith(b"\xef\xbb\xbfrecord,")


def _unzipped(data: bytes, password: str) -> bytes:
    with pyzipper.AESZipFile(io.BytesIO(data)) as archive:
        (name,) = archive.namelist()
        return bytes(archive.read(name, pwd=password.encode()))

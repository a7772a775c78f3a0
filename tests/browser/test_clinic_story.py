"""What a clinic's receptionist does: send, see, understand, download, correct, send again."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest
from playwright.sync_api import expect
from portal_visitor import Visiting, Visitor
from settling_held import nothing_settled
from visit_records import PERSON, SOMEBODY_ELSE, person_id, upload
from web_house import WebHouse, X, good_visit

_CASES = [("zh", True), ("en", True), ("zh", False)]


@pytest.mark.parametrize(("lang", "scripts"), _CASES, ids=["zh", "en", "without scripts"])
def test_a_bad_file_is_corrected(
    visiting: Visiting, web: WebHouse, lang: str, scripts: bool
) -> None:
    at = 100 * _CASES.index((lang, scripts))
    right = [good_visit(X, PERSON, at + 1), good_visit(X, SOMEBODY_ELSE, at + 2)]
    wrong = [right[0], right[1].but(M44=None)]
    visitor = visiting(lang, java_script_enabled=scripts)
    page = visitor.page
    visitor.sign_in()

    # Send, and see what became of it.
    visitor.send(visitor.file("門診.xml", upload(wrong)))
    verdict = page.locator(".verdict h2")
    said = {"zh": "收下 1 筆，退件 1 筆", "en": "1 record taken, 1 rejected"}
    expect(verdict).to_have_text(said[lang], timeout=20_000)
    page.wait_for_url(re.compile(r"/uploads/[0-9A-Z]{26}$"))
    expect(page.locator(".faults tbody tr")).to_have_count(1)
    expect(page.locator(".faults")).to_contain_text("M44")

    # Find the field in what was sent.
    page.click("#records ~ .records h3 a")
    expect(page.locator(".xml mark.absent")).to_contain_text("M44")
    page.click("ol.findings a[href='#f1']")
    expect(page.locator("#f1")).to_be_in_viewport()
    text = page.locator(".xml").inner_text()
    assert wrong[1].fields["M35"] in text
    assert wrong[1].fields["M03"] not in text

    # Download the list of errors.
    page.go_back()
    page.click(".back")
    rows = list(
        csv.DictReader(io.StringIO(visitor.download("a[href$='errors.csv']").decode("utf-8-sig")))
    )
    assert [(row["record"], row["field"], row["M15"]) for row in rows] == [
        ("2", "M44", right[1].id)
    ]

    # Correct it, send it again, see it clean.
    web.clock.forward(minutes=1)
    visitor.send(visitor.file("更正.xml", upload(right[1:])))
    clean = {"zh": "檢核無誤：1 筆全部收下", "en": "No errors: 1 record taken"}
    expect(verdict).to_have_text(clean[lang], timeout=20_000)
    page.goto("/uploads")
    expect(page.locator(".results tbody tr").first).to_contain_text(
        {"zh": "檢核無誤", "en": "no errors"}[lang]
    )


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "without scripts"])
def test_a_verdict_comes_by_itself(visiting: Visiting, web: WebHouse, scripts: bool) -> None:
    visitor = visiting(java_script_enabled=scripts)
    visitor.sign_in()
    verdict = visitor.page.locator(".verdict h2")
    with nothing_settled(web):
        visitor.send(visitor.file("等.xml", upload([good_visit(X, PERSON, 403 + scripts)])))
        expect(verdict).to_have_text("已收到，正在檢核…")
    expect(verdict).to_have_text("檢核無誤：1 筆全部收下", timeout=20_000)
    assert "data-waits" not in visitor.page.content()


def test_progress_is_shown(visiting: Visiting) -> None:
    """A slow line: the bar moves while a file is sent, and its verdict takes its place."""
    visitor = visiting()
    visitor.sign_in()
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 150_000}
    visitor.context.new_cdp_session(visitor.page).send("Network.emulateNetworkConditions", slow)
    people = [person_id("F", "2", 3_000_000 + n) for n in range(300)]
    records = [good_visit(X, person, 406) for person in people]
    visitor.send(
        visitor.file("大.xml", upload(records)),
        visitor.file("小.xml", upload([good_visit(X, PERSON, 405)])),
    )
    bar = visitor.page.locator(".sent li progress").first
    visitor.page.wait_for_function("b => b.value > 0 && b.value < 1", arg=bar.element_handle())
    says = visitor.page.locator(".sent li .file-says")
    expect(says.nth(0)).to_contain_text("檢核無誤：300 筆全部收下", timeout=20_000)
    expect(says.nth(1)).to_contain_text("檢核無誤：1 筆全部收下", timeout=20_000)
    expect(bar).to_be_hidden()


def test_several_files_at_once(visiting: Visiting) -> None:
    visitor = visiting()
    visitor.sign_in()
    visitor.send(
        visitor.file("好.xml", upload([good_visit(X, PERSON, 401)])),
        visitor.file("壞.xml", b"<RECS>"),
    )
    lines = visitor.page.locator(".sent li")
    expect(lines.nth(0)).to_contain_text("檢核無誤", timeout=20_000)
    expect(lines.nth(1)).to_contain_text("整批退件", timeout=20_000)
    lines.nth(1).locator("a").click()
    expect(visitor.page.locator(".verdict h2")).to_contain_text("整批退件")


def test_each_of_an_archive_is_told(visiting: Visiting) -> None:
    visitor = visiting()
    visitor.sign_in()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("好.xml", upload([good_visit(X, PERSON, 411)]))
        archive.writestr("壞.xml", b"<RECS>")
    visitor.send(visitor.file("兩個.zip", packed.getvalue()))
    lines = visitor.page.locator(".sent li")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("好.xml檢核無誤", timeout=20_000)
    expect(lines.nth(1)).to_contain_text("壞.xml整批退件", timeout=20_000)
    lines.nth(1).locator("a").click()
    expect(visitor.page.locator("h1")).to_contain_text("壞.xml")
    visitor.page.goto("/uploads")
    expect(visitor.page.locator(".results").get_by_text("兩個.zip!/壞.xml")).to_be_visible()


def test_what_cannot_be_sent_is_told(visiting: Visiting, web: WebHouse) -> None:
    visitor = visiting()
    visitor.sign_in()
    page, says = visitor.page, visitor.page.locator(".sent li .file-says")
    good = visitor.file("好.xml", upload([good_visit(X, PERSON, 407)]))
    page.goto("/send")
    page.evaluate("document.querySelector('[data-send]').dataset.most = '10'")
    page.set_input_files("#file", good)
    page.click("main form button")
    expect(says).to_have_text("檔案超過上限，沒有送出")
    page.goto("/send")
    page.evaluate("document.querySelector('[data-send] [name=csrf]').value = 'wrong'")
    page.set_input_files("#file", good)
    page.click("main form button")
    expect(says).to_have_text("沒有送成，請再試一次")
    page.goto("/send")
    web.clock.forward(minutes=31)
    page.set_input_files("#file", good)
    page.click("main form button")
    page.wait_for_url(re.compile("/sign-in"))
    expect(page.locator(".notice")).to_contain_text("登入已結束")
    web.clock.forward(minutes=-31)


def test_a_dropped_file_is_chosen(visiting: Visiting) -> None:
    visitor = visiting()
    visitor.sign_in()
    page = visitor.page
    page.goto("/send")
    page.evaluate(
        """() => {
          const held = new DataTransfer();
          held.items.add(new File(["<RECS>"], "dropped.xml", { type: "text/xml" }));
          const area = document.querySelector("[data-drop]");
          area.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true }));
        }"""
    )
    assert page.evaluate("document.querySelector('#file').files[0].name") == "dropped.xml"


def test_keyboard_alone(visiting: Visiting) -> None:
    visitor = visiting()
    page = visitor.page
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    assert _focused(visitor) == "跳到主要內容"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("clinic-x")
    page.keyboard.press("Tab")
    page.keyboard.type("tower-lamp-goose-42")
    page.keyboard.press("Enter")
    page.wait_for_url("**/uploads")
    _tab_to(visitor, "上傳資料")
    page.keyboard.press("Enter")
    page.wait_for_url("**/send")
    _tab_to(visitor, "", "#file")
    page.set_input_files(
        "#file", visitor.file("鍵盤.xml", upload([good_visit(X, PERSON, 402).broken()]))
    )
    _tab_to(visitor, "上傳")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict h2")).to_contain_text("退件 1 筆", timeout=20_000)
    _tab_to(visitor, "第 1 筆")
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/1")
    _tab_to(visitor, "看它在 XML 的位置", starts=True)
    page.keyboard.press("Enter")
    expect(page.locator("#f1")).to_be_in_viewport()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#f1').contains(document.activeElement)")


def _focused(visitor: Visitor) -> str:
    return str(visitor.page.evaluate("document.activeElement.textContent.trim()"))


def _tab_to(visitor: Visitor, text: str, selector: str = "", *, starts: bool = False) -> None:
    """Press Tab until something has the focus, which must be seen to have it."""
    for _ in range(80):
        visitor.page.keyboard.press("Tab")
        if selector:
            found = visitor.page.evaluate("s => document.activeElement.matches(s)", selector)
        else:
            focused = _focused(visitor)
            found = focused.startswith(text) if starts else focused == text
        if found:
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert visitor.page.evaluate(outline) != "none"
            return
    pytest.fail(f"no way by Tab to {text or selector}")

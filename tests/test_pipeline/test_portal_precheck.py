"""The comparison as a page: figures as the report's, files in clear for the institution alone."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
import pyzipper
from dual_week import AS_OF, Week, dual_week
from web_house import INSURER, X, hidden_fields


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    made = tmp_path_factory.mktemp("made")
    with dual_week(made, tmp_path_factory.mktemp("web")) as week:
        yield week


def shown(browser: httpx.Client, **asked: str) -> str:
    answer = browser.get("/precheck", params={"as_of": AS_OF} | asked)
    assert answer.status_code == 200
    return answer.text


def figures(page: str) -> list[int]:
    """(A), (B), by VPN and by Web-API, of the seven days."""
    row = re.search(r'<th scope="row">7 日合計</th>(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    cells = re.findall(r'<td class="number">\s*([\d,]+)', row[1])
    return [int(cell.replace(",", "")) for cell in cells]


def test_figures_are_those_expected(week: Week) -> None:
    for code, one in week.told.items():
        page = shown(week.browser(code))
        vpn = one["matched"] if one["channel"] == "vpn" else 0
        assert figures(page) == [one["v1"], one["matched"], vpn, one["matched"] - vpn]
        qualified = one["matched"] == one["v1"] and not vpn
        assert ("尚未符合改版資格" in page) != qualified
        assert ('href="/precheck/unmatched.csv' in page) == bool(one["v1"])


def test_charts_have_no_inline_style(week: Week) -> None:
    page = shown(week.browser(week.lacking))
    assert page.count("<svg") >= 2
    assert "style=" not in page
    assert "<style" not in page


def test_english_is_english(week: Week) -> None:
    page = shown(week.browser(week.lacking), lang="en")
    assert "Not yet qualified" in page
    assert "visits sent in 1.0 have no matching 2.0 pre-check" in page
    body = page[page.index('<main id="main"') : page.index("</main>")]
    assert not re.findall(r"[\u4e00-\u9fff]+", body)


def test_ids_are_masked_on_the_page_and_clear_in_the_file(week: Week) -> None:
    browser = week.browser(week.lacking)
    page = shown(browser)
    answer = browser.get("/precheck/unmatched.csv", params={"as_of": AS_OF})
    assert answer.status_code == 200
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(week.told[week.lacking]["unmatched"])
    ids = {value for row in rows for key, value in row.items() if key.startswith("A12")}
    assert all(re.fullmatch("[A-Z][0-9A-D][0-9]{8}", one) for one in ids)
    assert not any(one in page for one in ids)
    (logged,) = week.web.house.accounts.audit.rows(action="download", limit=1)
    assert logged.institution == week.lacking
    assert logged.details["file"] == "unmatched.csv"


def test_files_are_nobody_elses(week: Week) -> None:
    here = {"as_of": AS_OF, "institution": week.lacking}
    assert week.web.browser(X).get("/precheck", params=here).status_code == 404
    assert week.web.browser(INSURER).get("/precheck/uploads.csv", params=here).status_code == 404
    assert week.web.browser().get("/precheck", params=here).status_code == 303
    other = next(code for code in week.told if code != week.lacking)
    own = week.browser(other).get("/precheck/uploads.csv", params=here)
    assert week.lacking not in own.headers["content-disposition"]


def test_the_insurer_sees_it_masked_and_logged(week: Week) -> None:
    page = shown(week.web.browser(INSURER), institution=week.lacking)
    assert figures(page)[0] == week.told[week.lacking]["v1"]
    assert "unmatched.csv" not in page
    (row,) = week.web.house.accounts.audit.rows(action="report.seen", limit=1)
    assert row.institution == week.lacking


def test_a_zip_opens_with_the_password_of_its_page(week: Week) -> None:
    browser = week.browser(week.lacking)
    token = hidden_fields(shown(browser))
    strong = "gravel-window-otter-31"
    for password, status in (("short", 422), (strong, 200)):
        answer = browser.post("/precheck/download", data=token | {"password": password})
        assert answer.status_code == status
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as packed:
        packed.setpassword(strong.encode())
        names = packed.namelist()
        assert [name.split("-")[-1] for name in names] == ["uploads.csv", "unmatched.csv"]
        assert packed.read(names[1]).startswith(b"\xef\xbb\xbf")
    assert browser.post("/precheck/download", data={"password": strong}).status_code == 403


def test_a_password_is_made_up_and_shown_first(week: Week) -> None:
    browser = week.browser(week.lacking)
    token = hidden_fields(shown(browser))
    told = browser.post("/precheck/download", data=token | {"password": ""})
    assert "text/html" in told.headers["content-type"]
    answer = browser.post("/precheck/download", data=hidden_fields(told.text))
    assert answer.headers["content-type"] == "application/zip"
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as packed:
        packed.setpassword(hidden_fields(told.text)["password"].encode())
        assert len(packed.read(packed.namelist()[0])) > 10


def test_dates(week: Week) -> None:
    browser = week.browser(week.lacking)
    for written in ("1130320", "2024-03-20", "113.3.20"):
        assert figures(shown(browser, as_of=written)) == figures(shown(browser))
    wrong = browser.get("/precheck", params={"as_of": "someday"})
    assert wrong.status_code == 422
    assert "看不懂這個日期" in wrong.text
    empty = shown(browser, as_of="113/05/01")
    assert "開始預檢" in empty
    assert "最近一次預檢上傳在" in empty
    never = week.web.browser(X).get("/precheck").text
    assert "開始預檢" in never
    assert "最近一次預檢上傳在" not in never

"""The auditor's page: rows filtered and paged, and whether the chain is whole."""

from __future__ import annotations

import csv
import io
import re
import sqlite3

import pytest
from web_house import AUDITOR, INSURER, WebHouse, X, Y

AUDIT = "/insurer/audit"


def numbers(html: str) -> list[int]:
    return [int(n) for n in re.findall(r'<td class="number" data-label="\S+">(\d+)</td>', html)]


@pytest.fixture(scope="module")
def busy(web: WebHouse) -> WebHouse:
    """Seventy downloads of X by somebody, on the day before, and a formula."""
    log = web.house.accounts.audit
    for n in range(70):
        log.append("somebody", "download", f"upload-{n}", X, {"shape": "csv"})
    log.append("=cmd", "download", "@SUM(A1)", Y, {"shape": "csv"})
    return web


def test_pages_follow_each_other(busy: WebHouse) -> None:
    auditor = busy.browser(AUDITOR)
    told, page = [], auditor.get(AUDIT, params={"who": "somebody"}).text
    while True:
        told += numbers(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        page = auditor.get(following[1].replace("&amp;", "&")).text
    rows = busy.house.accounts.audit.rows(who="somebody", limit=1000)
    assert told == [row.number for row in rows]
    assert len(told) == 70


def test_filters(busy: WebHouse) -> None:
    auditor = busy.browser(AUDITOR)
    auditor_id = busy.house.accounts.account(AUDITOR).id
    busy.browser(INSURER)

    def shown(**asked: str) -> list[int]:
        return numbers(auditor.get(AUDIT, params=asked).text)

    assert len(shown(object="upload-7")) == 1
    assert len(shown(institution=Y, action="download")) == 1
    assert shown(institution="9999999999") == []
    rows = busy.house.accounts.audit.rows(who=auditor_id, action="sign-in", limit=1000)
    assert shown(who=AUDITOR, action="sign-in") == [row.number for row in rows]
    assert shown(**{"from": "114/12/22"}) == []
    assert len(shown(**{"from": "1141221", "to": "2025-12-21"}, who="somebody")) == 50
    assert auditor.get(AUDIT, params={"from": "someday"}).status_code == 422
    assert "沒有符合的紀錄" in auditor.get(AUDIT, params={"who": "nobody"}).text


def test_looking_is_logged(busy: WebHouse) -> None:
    busy.browser(AUDITOR).get(AUDIT, params={"institution": X})
    (row,) = busy.house.accounts.audit.rows(action="audit.seen", limit=1)
    assert row.who == busy.house.accounts.account(AUDITOR).id
    assert row.details == {"institution": X}


def test_csv_has_every_row_and_no_formula(busy: WebHouse) -> None:
    answer = busy.browser(AUDITOR).get(f"{AUDIT}.csv", params={"action": "download"})
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert header[0] == "number"
    assert len(rows) == 71
    assert not any(cell.startswith(("=", "@", "+", "-")) for row in rows for cell in row if cell)


def test_a_changed_row_shows(busy: WebHouse) -> None:
    auditor = busy.browser(AUDITOR)
    assert "雜湊鏈完整" in auditor.get(AUDIT).text
    row = busy.house.accounts.audit.rows(object="upload-5", limit=1)[0]
    file = busy.house.settings.accounts_url
    assert file is not None
    with sqlite3.connect(file.removeprefix("sqlite:///")) as database:
        triggers = [
            (name, sql)
            for name, sql in database.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            )
        ]
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        change = "UPDATE audit SET object = ? WHERE number = ?"
        database.execute(change, ("upload-6", row.number))
    try:
        page = auditor.get(AUDIT).text
        assert f"第 {row.number} 列中斷" in page
        assert "雜湊鏈完整" not in page
    finally:
        with sqlite3.connect(file.removeprefix("sqlite:///")) as database:
            database.execute(change, ("upload-5", row.number))
            for _, sql in triggers:
                database.execute(sql)
    assert "雜湊鏈完整" in auditor.get(AUDIT).text

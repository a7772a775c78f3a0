"""Pages about codes and rules, and the help, for anybody."""

from __future__ import annotations

import re

import pytest
from markupsafe import escape
from web_house import WebHouse

from pipeline.report.catalogue.search import catalogue

CODES = sorted(catalogue().by_code)
LEFT = re.compile(r"\{\{|\{%|Undefined")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_code_has_a_page(web: WebHouse, lang: str) -> None:
    nobody = web.browser()
    for code in CODES:
        answer = nobody.get(f"/codes/{code}", params={"lang": lang})
        assert answer.status_code == 200, code
        entry = catalogue().by_code[code]
        said = entry.headline.zh if lang == "zh" else entry.headline.en
        assert f"</span> {escape(said)}</h1>" in answer.text
        assert not LEFT.search(answer.text), code


def test_every_rule_has_a_page(web: WebHouse) -> None:
    nobody = web.browser()
    for rule in catalogue().rules[::7]:
        answer = nobody.get(f"/rules/{rule.id}")
        assert answer.status_code == 200, rule.id
        assert f'href="/codes/{rule.current.code}"' in answer.text
    assert nobody.get("/rules/no/such-rule").status_code == 404


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("AA", "/codes/AA"),
        ("m15:aa;", "/codes/AA?field=M15"),
        ("D05[2]:AF;", "/codes/AF?field=D05"),
        ("V99:AA", "/codes/AA"),
    ],
)
def test_one_code_is_led_to(web: WebHouse, asked: str, leads_to: str) -> None:
    answer = web.browser().get("/codes", params={"q": asked})
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


def test_search_lists(web: WebHouse) -> None:
    nobody = web.browser()
    assert nobody.get("/codes").text.count('<b class="code">') == len(CODES)
    two = nobody.get("/codes", params={"q": "M15:AA;D05[1]:AF;"}).text
    assert re.findall(r'<b class="code">(.*?)</b>', two) == ["AA", "AF"]
    none = nobody.get("/codes", params={"q": "xyzzy plugh"})
    assert none.status_code == 200
    assert "沒有符合的代碼" in none.text
    warned = nobody.get("/codes", params={"severity": "warn"}).text
    assert 0 < warned.count('<b class="code">') < len(CODES)


def test_what_is_typed_is_never_markup(web: WebHouse) -> None:
    nobody = web.browser()
    evil = '"><script>alert(1)</script>'
    for path in ("/codes", "/rules"):
        text = nobody.get(path, params={"q": evil}).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text
    assert "<script>alert" not in nobody.get(f"/codes/{evil}").text


def test_a_field_narrows(web: WebHouse) -> None:
    nobody = web.browser()
    whole, narrowed = nobody.get("/codes/AA").text, nobody.get("/codes/AA?field=m15").text
    assert whole.count('class="family"') > 3
    assert narrowed.count('class="family"') == 1
    assert "M15" in narrowed


def test_spellings_and_unknown_codes(web: WebHouse) -> None:
    nobody = web.browser()
    answer = nobody.get("/codes/aa")
    assert (answer.status_code, answer.headers["location"]) == (308, "/codes/AA")
    unknown = nobody.get("/codes/AAQ")
    assert unknown.status_code == 404
    assert 'href="/codes/AA"' in unknown.text


def test_rules_are_paged_and_filtered(web: WebHouse) -> None:
    nobody = web.browser()
    rows = re.compile(r'<th scope="row"><a class="mono" href="/rules/([^"]+)"')
    seen: list[str] = []
    number = 1
    while True:
        text = nobody.get("/rules", params={"decided": "state", "page": number}).text
        seen += rows.findall(text)
        if 'rel="next"' not in text:
            break
        number += 1
    assert sorted(seen) == sorted(r.id for r in catalogue().rules if r.decided_by == "state")
    assert rows.findall(nobody.get("/rules", params={"page": 9999}).text)
    assert nobody.get("/rules", params={"page": 0}).status_code == 422


def test_help_tells_the_limits(web: WebHouse) -> None:
    text = web.browser().get("/help").text
    assert "64 MB" in text
    assert "14 天" in text
    assert web.browser().get("/help?lang=en").status_code == 200

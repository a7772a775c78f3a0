"""The OpenAPI document: complete, true, and with examples that really come about."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import make
from jsonschema_rs import Draft202012Validator
from web_house import WebHouse, X

from pipeline.web.api.document import document, examples, operations
from pipeline.web.problems import KINDS, PROBLEM_JSON

Document = dict[str, Any]


@pytest.fixture(scope="module")
def told(web: WebHouse) -> Document:
    return document(web.app)


def test_every_example_comes_about(web: WebHouse, told: Document) -> None:
    made = make(web)
    assert made == examples(), "python tests/api_examples.py writes them anew"
    assert made.keys() <= {operation["operationId"] for operation in operations(told)}


def test_every_answer_in_json_has_an_example_of_its_shape(told: Document) -> None:
    for operation in operations(told):
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if content is None or not status.startswith("2"):
                continue
            schema = {**content["schema"], "components": told["components"]}
            Draft202012Validator(schema).validate(content["example"])


def test_every_operation_says_what_it_is_and_what_may_go_wrong(told: Document) -> None:
    for operation in operations(told):
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        if operation["tags"] == ["health"]:
            continue
        told_of = set(operation["responses"])
        assert {"422", "429", "500", "503"} <= told_of
        assert ("401" in told_of) == bool(operation.get("security") or "codes" in operation["tags"])
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            if status >= "400":
                assert answer["content"].keys() == {PROBLEM_JSON}
                for name in answer["content"][PROBLEM_JSON]["examples"]:
                    assert str(KINDS[name].status) == status


def test_problems_have_pages_for_people_and_for_programs(web: WebHouse) -> None:
    client = web.client()
    for kind in KINDS.values():
        said = client.get(kind.type).json()
        assert (said["type"], said["status"]) == (kind.type, kind.status)
        shown = client.get(kind.type, headers={"Accept": "text/html"})
        assert kind.title_zh in shown.text
    assert client.get("/problems/none").status_code == 404


def test_the_page_lists_every_operation(web: WebHouse, told: Document) -> None:
    for lang in ("zh", "en"):
        page = web.client().get("/api/docs", params={"lang": lang})
        assert page.status_code == 200
        for path in told["paths"]:
            assert path in page.text


def test_its_reader_stays_signed_in(web: WebHouse) -> None:
    assert 'action="/sign-out"' in web.browser(X).get("/api/docs").text
    assert 'href="/sign-in"' in web.client().get("/api/docs").text


def test_the_document_is_served(web: WebHouse, told: Document) -> None:
    served = web.client(X).get("/api/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.json()["paths"].keys() == told["paths"].keys()

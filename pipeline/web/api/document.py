"""The OpenAPI document: operations as they are declared, with examples that really came about.

``examples.json`` holds a request and its answer an operation; a test makes each of them anew.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from pipeline.version import ENGINE
from pipeline.web.api.shapes import Problem

Document = dict[str, Any]

_JSON: Final = "application/json"
_DOCUMENT: Final = "nhi_document"
_REF: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = """\
健保卡資料上傳格式 2.0：送出就醫紀錄、取得檢核結果。
Send visit records in the upload format 2.0 of Taiwan's National Health Insurance, and learn what is
wrong with them.

- 憑證 credential: `Authorization: Bearer nhi_…`. 機構以憑證為準: the institution is the
  credential's; a key for several names one of them with `X-NHI-Institution`.
- 回應 `202` 表示資料已寫入磁碟: the bytes are on disk. Send again only what got none, with the same
  `Idempotency-Key`.
- 錯誤 errors are problem documents (RFC 9457) in 繁體中文 and English.
- 個資一律遮蔽: ids and birth dates are masked everywhere but in downloads of your own uploads.
- 錯誤代碼 error codes are explained at [/codes](/codes).
"""
TAGS: Final = (
    ("uploads", "上傳與結果 Send uploads, and learn what became of them."),
    ("downloads", "下載 The answer to an upload as a file, ids in clear."),
    ("checks", "試檢核 Check without sending."),
    ("reports", "預檢比對 The comparison of 1.0 uploads with 2.0 pre-checks."),
    ("visits", "就醫紀錄歷程 What became of a visit over all uploads."),
    ("codes", "錯誤代碼 What error codes mean."),
    ("health", "服務狀態 For whoever runs the service."),
)


def document(app: FastAPI) -> Document:
    """The OpenAPI 3.1 document of an application's operations."""
    made = get_openapi(
        title="健保卡資料上傳 NHI visit uploads",
        version=ENGINE,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS],
        servers=[{"url": "/"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    _, shapes = models_json_schema([(Problem, "serialization")], ref_template=_REF)
    schemas = made["components"]["schemas"]
    schemas.update(shapes["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in operations(made):
        _exemplify(operation, examples().get(operation["operationId"]))
    return made


def document_of(app: FastAPI) -> Document:
    """The document, made once an application."""
    state = app.state
    if not hasattr(state, _DOCUMENT):
        setattr(state, _DOCUMENT, document(app))
    made: Document = getattr(state, _DOCUMENT)
    return made


def operations(made: Document) -> list[Document]:
    """Every operation of a document."""
    return [operation for path in made["paths"].values() for operation in path.values()]


@cache
def examples() -> dict[str, Document]:
    """An example an operation, by its id: ``request`` and ``response``."""
    text = files("pipeline.web.api").joinpath("examples.json").read_bytes()
    told: dict[str, Document] = orjson.loads(text)
    return told


def _exemplify(operation: Document, example: Document | None) -> None:
    """Put an example's bodies where they belong."""
    if example is None:
        return
    for status, answer in operation["responses"].items():
        if _JSON in answer.get("content", {}) and status.startswith("2"):
            answer["content"][_JSON]["example"] = example["response"]
    body = operation.get("requestBody", {}).get("content", {})
    if "request" in example and body:
        for media_type in body:
            body[media_type]["example"] = example["request"]

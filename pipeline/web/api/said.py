"""What every operation may answer, for the document: problems by status, headers, media types."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from pipeline.web.problems import KINDS, PROBLEM_JSON, Problem, document

Responses = dict[int | str, dict[str, Any]]

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_SHOWN_ID: Final = "0f7c2a9be41d4a53"
_INTEGER: Final = {"type": "integer"}
_TEXT: Final = {"type": "string"}

REQUEST_ID: Final = {
    "X-Request-Id": {"description": "Of this request; yours, if you sent one.", "schema": _TEXT}
}
RATE: Final = {
    "RateLimit": {"description": 'What is left: "requests";r=2999;t=60', "schema": _TEXT},
    "RateLimit-Policy": {"description": 'The limit: "requests";q=3000;w=60', "schema": _TEXT},
}
_RETRY: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": _INTEGER}}
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": {"description": "Bearer", "schema": _TEXT}},
    409: _RETRY,
    415: {"Accept-Encoding": {"description": "gzip", "schema": _TEXT}},
    429: _RETRY | RATE,
    503: _RETRY,
}
ALWAYS: Final = ("sign-in-needed", "invalid-request", "too-many-requests", "our-fault", "closed")
_ERRORS: Final = {"errors": [{"in": "query", "name": "mode", "message": "Input should be …"}]}


def answers(status: int, told: dict[str, Any], *names: str) -> Responses:
    """What an operation answers: one status where all is well, and its problems."""
    wrong = problems(*names)
    return {status: told, **{status: wrong[status] for status in sorted(wrong, key=int)}}


def problems(*names: str) -> Responses:
    """The problems of an operation, besides those that every one has (``ALWAYS``)."""
    out: Responses = {}
    for name in (*names, *ALWAYS):
        kind = KINDS[name]
        extra = _ERRORS if name == "invalid-request" else {}
        example = {"summary": kind.title, "value": document(Problem(name, extra=extra), _SHOWN_ID)}
        said = out.setdefault(kind.status, {
            "description": f"{kind.title_zh}。{kind.title}.",
            "headers": REQUEST_ID | _HEADERS.get(kind.status, {}),
            "content": {PROBLEM_JSON: {"schema": _PROBLEM, "examples": {}}},
        })  # fmt: skip
        said["content"][PROBLEM_JSON]["examples"][name] = example
    return out


def file_of(description: str, *media_types: str, **headers: str) -> dict[str, Any]:
    """A response that is a file, with headers of its own by name and description."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    told = {name: {"description": text, "schema": _TEXT} for name, text in headers.items()}
    disposition = {"Content-Disposition": {"description": "attachment; its name", "schema": _TEXT}}
    return {
        "description": description,
        "headers": REQUEST_ID | RATE | disposition | told,
        "content": dict.fromkeys(media_types, binary),
    }


def said(description: str, shape: type[BaseModel], **headers: str) -> dict[str, Any]:
    """A response in JSON of a shape, with headers of its own by name and description."""
    told = {
        name.replace("_", "-"): {"description": text, "schema": _TEXT}
        for name, text in headers.items()
    }
    return {"description": description, "model": shape, "headers": REQUEST_ID | RATE | told}

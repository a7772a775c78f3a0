"""The examples of the API's document, made by really asking; ``python tests/api_examples.py``
writes them anew.

Upload ids and what names a build (plan, engine) are put in place of those that came about; of
``not_checked`` there are the first two.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from visit_records import PERSON, upload
from web_house import WebHouse, X, bad_visit, good_visit, web_house

from pipeline.web.api.shapes import UPLOAD_ID_PATTERN

Example = dict[str, Any]

_ID = re.compile(UPLOAD_ID_PATTERN.strip("^$"))
_SHOWN_IDS = ("01KD0FXM405A2YGTBXEF5P1F7W", "01KD0FXM406RHZFRHPJPRV1ZMR")
_BUILD = {"plan": "e34ed507b05bc346", "engine": "0.1.0", "sha256": "9f" * 32}


def make(web: WebHouse) -> dict[str, Example]:
    """Ask every operation that answers in JSON; by operation id what was sent and answered."""
    client = web.client(X)
    good = good_visit(X, PERSON, 40)
    xml = upload([good, bad_visit(X, PERSON, 41)])
    sent = {"params": {"wait": 20, "name": "20251221.xml"}, "content": xml,
            "headers": {"Content-Type": "application/xml"}}  # fmt: skip
    made: dict[str, Any] = {"send_upload": client.post("/api/v1/uploads", **sent)}
    upload_id = made["send_upload"].json()["upload_id"]
    web.commit()
    asked = {"treatment_id": good.id}
    made |= {
        "get_upload": client.get(f"/api/v1/uploads/{upload_id}"),
        "list_uploads": client.get("/api/v1/uploads", params={"limit": 1}),
        "reopen_downloads": client.post(f"/api/v1/uploads/{upload_id}/request"),
        "check_upload": client.post("/api/v1/checks", **sent | {"params": {"name": "a.xml"}}),
        "compare_precheck": client.get("/api/v1/reports/precheck"),
        "search_visit": client.post("/api/v1/visits/search", json=asked),
        "get_visit": client.get(f"/api/v1/visits/{good.id}"),
        "explain_code": client.get("/api/v1/codes/D086"),
        "healthz": client.get("/healthz"),
        "readyz": client.get("/readyz"),
    }
    examples: dict[str, Example] = {}
    for name, answer in made.items():
        assert answer.is_success, (name, answer.text)
        examples[name] = {"response": answer.json()}
    examples["send_upload"]["request"] = examples["check_upload"]["request"] = xml.decode("big5")
    examples["search_visit"]["request"] = asked
    examples["download_zip"] = {"request": {"format": "csv", "password": None}}
    shown: dict[str, Example] = _shown(examples, {})
    return shown


def _shown(value: Any, ids: dict[str, str], key: str = "") -> Any:
    """A value with the ids and the build that the document shows."""
    if isinstance(value, dict):
        return {name: _shown(inner, ids, name) for name, inner in value.items()}
    if isinstance(value, list):
        told = value[:2] if key == "not_checked" else value
        return [_shown(inner, ids) for inner in told]
    if isinstance(value, str) and key in _BUILD:
        return _BUILD[key]
    if isinstance(value, str):
        return _ID.sub(lambda found: _id(found[0], ids), value)
    return value


def _id(real: str, ids: dict[str, str]) -> str:
    return ids.setdefault(real, _SHOWN_IDS[len(ids) % len(_SHOWN_IDS)])


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder, web_house(Path(folder)) as web:
        made = make(web)
    path = Path(str(files("pipeline.web.api") / "examples.json"))
    path.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    sys.exit(_write())

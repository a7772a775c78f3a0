"""What ``VNHI_Download`` hands out. The shape inside is ours: the insurer's is not public."""

from __future__ import annotations

import base64

import orjson

from pipeline.report.answer import Answer
from pipeline.report.receipt import receipt
from pipeline.report.verdict_json import verdict_json


def result_json(answer: Answer, upload_id: str) -> str:
    """``tx_result_json``: base64 of UTF-8 JSON.

    The object of ``check --format json`` (values masked), with ``upload_id``, ``status``, and
    ``receipt``: the text receipt of the institution's own upload, ids in clear, null where there is
    nothing to tell.
    """
    told = orjson.loads(verdict_json(answer))
    nothing = answer.refusal is None and not answer.findings and not answer.waits
    text = None if nothing else receipt(answer).decode("cp950")
    return _packed({**told, "upload_id": upload_id, "status": answer.status, "receipt": text})


def test_result_json() -> str:
    """``tx_result_json`` of a connection test."""
    return _packed(
        {
            "status": "test",
            "message_zh": "介接測試成功，未保存任何資料",
            "message_en": "The connection test went well; nothing was kept",
        }
    )


def _packed(value: object) -> str:
    return base64.b64encode(orjson.dumps(value)).decode("ascii")

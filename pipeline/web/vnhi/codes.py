"""What the insurer's envelope answers with: ``RtnCode``, and what an upload may be (``sType``).

The codes are those that public clients know (domain facts, ``WEBAPI_RtnCode``). Those that tell of
signatures (8201, 8202, 8203, 8205) and 9005 are never answered here: see docs/VNHI.md.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pipeline.outcome import Mode

ACCEPTED: Final = "0000"
NOT_READY: Final = "5002"
WRONG_TYPE: Final = "5003"
WRONG_SAM: Final = "5004"
NOT_VERIFIED: Final = "9002"
OTHER: Final = "9999"

TEST: Final = "ZZ"
MODES: Final = MappingProxyType[str, Mode]({"A1": "official", "A2": "precheck"})


class VnhiError(Exception):
    """A request that is answered with another code than 0000. ``message`` names no value of it."""

    def __init__(self, code: str, message_zh: str, message_en: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = f"{message_zh} {message_en}"


def not_verified() -> VnhiError:
    """The answer to whoever isn't bound to the institution it names, be there one or not."""
    return VnhiError(
        NOT_VERIFIED,
        "未完成驗證：此連線未綁定所報的醫事機構，請洽管理者。",
        "Not verified: this connection is not bound to the institution named; ask the operator.",
    )


def wrong_type() -> VnhiError:
    """``sType`` is none of A1, A2, ZZ, or not the one of the upload asked for."""
    return VnhiError(WRONG_TYPE, "作業類別錯誤。", "sType is wrong.")


def malformed(name: str) -> VnhiError:
    """A member of the envelope is missing, doubled or not of its form."""
    return VnhiError(OTHER, f"{name} 缺少或格式不正確。", f"{name} is missing or malformed.")

"""Who sends and how, what they get at the door, and why it may stay shut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import PipelineError
from pipeline.outcome import Channel, Envelope, Mode


@dataclass(frozen=True)
class Sender:
    """What is known of an upload besides its bytes and the moment of receipt.

    ``institution`` is the credential's, ``by`` the id of who sent it, ``address`` the IP address it
    came from; ``name`` is for people only.
    """

    institution: str
    channel: Channel
    mode: Mode
    name: str = ""
    address: str | None = None
    by: str = ""

    def envelope(self, received_at: datetime) -> Envelope:
        """With the moment of receipt (aware)."""
        return Envelope(
            received_at, self.institution, self.channel, self.mode, self.name, self.address
        )


@dataclass(frozen=True)
class Ticket:
    """An upload is durable and will be answered under this id.

    ``again``: its Idempotency-Key was taken before, and this is the ticket of that time.
    """

    upload_id: str
    received_at: datetime
    again: bool = False


class KeyReusedError(PipelineError):
    """An Idempotency-Key came again with other bytes, or in another mode."""

    def __init__(self) -> None:
        super().__init__(
            "這個 Idempotency-Key 已用於另一個上傳；內容或用途不同時請換一個",
            "This Idempotency-Key was used for another upload; with other bytes or another mode "
            "take another key",
        )


class DoorClosedError(PipelineError):
    """Nothing can be taken in now; to be tried again after ``retry_seconds``."""

    def __init__(self, message_zh: str, message_en: str, retry_seconds: int) -> None:
        super().__init__(message_zh, message_en)
        self.retry_seconds = retry_seconds


def stopping() -> DoorClosedError:
    """The service starts or ends."""
    return DoorClosedError(
        "系統正在啟動或停止，請稍後再送",
        "The service is starting or stopping; send again later",
        30,
    )


def full() -> DoorClosedError:
    """More waits than may."""
    return DoorClosedError(
        "等待檢核的上傳過多，請稍後再送",
        "Too many uploads wait to be checked; send again later",
        10,
    )


def trouble() -> DoorClosedError:
    """The disk is full, read-only or failing."""
    return DoorClosedError(
        "系統暫時無法存檔，這個上傳沒有收下，請稍後再送",
        "The service can't store anything now, and this upload was not taken; send again later",
        60,
    )

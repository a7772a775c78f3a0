"""Downloads of an upload's answer, for the API and the portal: error CSV, receipt, encrypted zip.

Ids are in clear for the institution that sent the upload, masked for the insurer's people. Every
download leaves a row in the audit log before its bytes are given. Called in threads.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pipeline.accounts.who import Who
from pipeline.desk.errors import DownloadEndedError, NotThereError
from pipeline.desk.receipts import Receipt
from pipeline.errors import PipelineError
from pipeline.report.answer import Answer
from pipeline.report.encrypted import encrypted_zip
from pipeline.report.error_csv import CsvEncoding, error_csv
from pipeline.report.masked_answer import masked_answer
from pipeline.report.receipt import receipt
from pipeline.web.house import House
from pipeline.web.zip_passwords import ZipPassword, zip_password

Shape = Literal["csv", "text"]
_STEMS: Final = {"csv": "errors", "text": "receipt"}
_SUFFIXES: Final = {"csv": "csv", "text": "txt"}


class Download(NamedTuple):
    """A file to hand out. ``filename`` is made by us of the upload's id, and is ASCII."""

    filename: str
    media_type: str
    data: bytes


class EncryptedDownload(NamedTuple):
    """An AES zip, and the password that opens it."""

    filename: str
    media_type: str
    data: bytes
    password: ZipPassword


class NotReadyError(NotThereError):
    """There is no answer yet: the upload still waits to be checked."""

    def __init__(self) -> None:
        zh, en = "檢核尚未完成，請稍候再下載", "It is still being checked; download it in a moment"
        PipelineError.__init__(self, zh, en)


def download(
    house: House, who: Who, upload_id: str, shape: Shape, encoding: CsvEncoding = "utf-8"
) -> Download:
    """The answer to an upload as a file; ``encoding`` is of the CSV, the text receipt is Big5.

    Raises ``NotThereError``, ``NotReadyError``, ``DownloadEndedError``.
    """
    found = house.desk.receipt(who, upload_id)
    made = _written(available(who, found), found.upload_id, shape, encoding)
    log_download(house, who, found, shape=shape)
    return made


def encrypted_download(
    house: House,
    who: Who,
    upload_id: str,
    shape: Shape,
    encoding: CsvEncoding = "utf-8",
    password: str | None = None,
) -> EncryptedDownload:
    """The same in an AES zip, under the chosen password or a random one where that is ``None``.

    Raises ``WeakPasswordError`` besides what ``download`` raises.
    """
    found = house.desk.receipt(who, upload_id)
    answer = available(who, found)
    opens = zip_password(password, house.settings, (who.name, found.institution or ""))
    inside = _written(answer, found.upload_id, shape, encoding)
    packed = encrypted_zip({inside.filename: inside.data}, opens.text, found.row["received_at"])
    log_download(house, who, found, shape=shape, password=opens.kind)
    name = f"{found.upload_id}-{_STEMS[shape]}.zip"
    return EncryptedDownload(name, "application/zip", packed, opens)


def available(who: Who, found: Receipt) -> Answer:
    """The answer as they may have it outside the system: in clear their own, else masked.

    Raises ``NotReadyError``, ``DownloadEndedError``.
    """
    if found.answer is None:
        raise NotReadyError
    if found.ended:
        raise DownloadEndedError
    return found.answer if who.owns(found.institution) else masked_answer(found.answer)


def log_download(house: House, who: Who, found: Receipt, **detail: str) -> None:
    """Leave a row in the audit log; to be called before the bytes are given."""
    house.accounts.audit.append(who.id, "download", found.upload_id, found.institution, detail)


def _written(answer: Answer, upload_id: str, shape: Shape, encoding: CsvEncoding) -> Download:
    if shape == "csv":
        data, media_type = error_csv([answer], encoding), f"text/csv; charset={encoding}"
    else:
        data, media_type = receipt(answer), "text/plain; charset=big5"
    return Download(f"{upload_id}-{_STEMS[shape]}.{_SUFFIXES[shape]}", media_type, data)

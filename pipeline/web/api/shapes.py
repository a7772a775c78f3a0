"""What the API says, for its document: the shapes of answers, field by field.

Answers are written by ``pipeline.report`` and the routes, not through these models; a test holds
every real answer against them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["official", "precheck"]
Channel = Literal["web-api", "vpn"]
Status = Literal["waiting", "done", "refused", "held", "dropped", "failed"]
Severity = Literal["reject", "warn"]

UPLOAD_ID_PATTERN = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
UploadId = Annotated[str, Field(pattern=UPLOAD_ID_PATTERN, description="上傳編號")]


class Shape(BaseModel):
    """Has the fields told here and no others."""

    model_config = ConfigDict(extra="forbid")


class Words(Shape):
    """What is wrong and what to do, in 繁體中文 and English."""

    message_zh: str
    message_en: str
    remedy_zh: str
    remedy_en: str


class Refusal(Words):
    """Why the upload as a whole can't be taken, and where that shows."""

    code: str = Field(description="錯誤代碼 error code, like Y007")
    offset: int = Field(description="bytes from the upload's beginning, unpacked")
    line: int = Field(ge=1)
    column: int = Field(ge=1)


class Counts(Shape):
    """Records (就醫紀錄) and orders (醫令); ``records_warned`` are among the accepted."""

    records: int
    records_accepted: int
    records_warned: int
    records_rejected: int
    orders: int
    orders_accepted: int
    orders_rejected: int


class Stands(Shape):
    """The version of a visit that stands after a correction of it was rejected."""

    upload_id: UploadId
    record: int


class Finding(Words):
    """A field of a record that breaks a rule."""

    record: int = Field(ge=1, description="counts from 1 within the upload")
    order: int | None = Field(description="counts from 1 within the record; null on the record")
    field: str = Field(description="like M15; MB2 for a whole order; an element's name")
    code: str = Field(description="錯誤代碼 error code")
    severity: Severity
    rule: str
    offset: int = Field(description="bytes from the upload's beginning, unpacked")
    length: int
    value: str | None = Field(description="masked where the field is personal; null: absent")
    stands: Stands | None = None


class NotChecked(Shape):
    """A rule that was not decided, and what it would need."""

    rule: str
    needs: str


class Held(Words):
    """Why nothing of the upload was taken yet, or ever."""

    status: Literal["held", "dropped"]


class Receipt(Shape):
    """The verdict: the same object as of ``nhi-upload check --format json``."""

    upload: str = Field(description="its name")
    sha256: str
    engine: str
    plan: str = Field(description="hash of the rules that judged")
    reference: str | None = Field(description="hash of the reference tables")
    encoding: str | None
    parser: str | None
    refusal: Refusal | None
    counts: Counts
    findings: list[Finding]
    not_checked: list[NotChecked]
    held: Held | None = None


class Taken(Shape):
    """The bytes are durable. ``receipt`` is null unless it was waited for and told in time."""

    upload_id: UploadId
    status: Status
    received_at: datetime
    receipt: Receipt | None


class Upload(Shape):
    """An upload and what became of it; ``receipt`` is null while it waits."""

    upload_id: UploadId
    status: Status
    received_at: datetime = Field(description="Asia/Taipei")
    institution: str | None
    mode: Mode
    channel: Channel
    name: str
    version: str | None = Field(description="of the format: 1.0 or 2.0; null while it waits")
    redelivery_of: UploadId | None
    download_ends_at: datetime = Field(description="until then its files can be downloaded")
    receipt: Receipt | None


class ListedUpload(Shape):
    """A line of the result list (document 001)."""

    upload_id: UploadId
    status: Status
    received_at: datetime
    institution: str | None
    mode: Mode
    channel: Channel
    name: str
    version: str | None
    refusal_code: str | None
    counts: Counts | None = Field(description="null while it waits")


class UploadList(Shape):
    """Uploads received on some days, the last first; ``cursor`` gives the next page."""

    institution: str
    from_: date = Field(alias="from")
    to: date
    uploads: list[ListedUpload]
    cursor: str | None = Field(description="for ?cursor=; null on the last page")


class Reopened(Shape):
    """An ended download that is available again."""

    upload_id: UploadId
    download_ends_at: datetime


class Problem(BaseModel):
    """RFC 9457: what went wrong with a request. Holds nothing of what was sent."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="a path of ours that explains it", examples=["/problems/not-found"]
    )
    title: str
    title_zh: str
    status: int
    detail: str
    detail_zh: str
    request_id: str = Field(description="for whoever runs the service; also X-Request-Id")
    errors: list[WrongParameter] | None = None


class WrongParameter(BaseModel):
    """A parameter that is wrong, and how."""

    in_: str = Field(alias="in")
    name: str
    message: str

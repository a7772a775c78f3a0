"""What the desk says where there is nothing to show."""

from __future__ import annotations

from pipeline.errors import PipelineError


class NotThereError(PipelineError):
    """What was asked for doesn't exist, or isn't theirs: nobody learns which of the two."""

    def __init__(self) -> None:
        super().__init__("查無資料", "There is no such thing")


class DownloadEndedError(PipelineError):
    """A download that is over, and can be asked for again."""

    def __init__(self) -> None:
        super().__init__(
            "下載期限已過，請按「重新申請下載」", "This download has ended; ask for it again"
        )


class SpecialCodeError(PipelineError):
    """A special code in the place of a treatment id names several visits."""

    def __init__(self) -> None:
        super().__init__(
            "這是特殊碼，不能單獨指出一筆就醫；請由上傳結果的那一筆紀錄查詢",
            "This is a special code, which names no visit by itself; start from the record in the "
            "result of its upload",
        )

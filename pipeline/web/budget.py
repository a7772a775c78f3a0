"""Bytes that uploads under way hold in memory, all together."""

from __future__ import annotations

from typing import Final

from pipeline.web.problems import Problem

CLOSE: Final = {"Connection": "close"}  # the rest of the body is not waited for
_RETRY: Final = {"Retry-After": "5"}


class Budget:
    """Bytes that all uploads under way may hold together. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Hold some more. Raises ``Problem`` 503 where that is too much."""
        if self.held + size > self._most:
            raise Problem(
                "closed",
                "目前同時上傳的資料過多，請稍後重送。",
                "Too much is being sent at this moment: send again shortly.",
                headers=_RETRY | CLOSE,
            )
        self.held += size

    def give_back(self, size: int) -> None:
        """Hold that much less."""
        self.held -= size

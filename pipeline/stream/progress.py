"""How far the recorder is: what the dispatcher waits for when it is too far ahead."""

from __future__ import annotations

from typing import Self

from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.messages import PoisonError, pack, unpack
from pipeline.stream.topics import Stream


def tell_progress(sender: Sender, stream: Stream, through: int) -> None:
    """Everything up to a sequence is recorded."""
    sender.send(stream.topic("progress"), 0, pack("progress", {"through": through}))


class Progress:
    """Follows the topic ``progress``."""

    def __init__(self, cluster: Cluster, stream: Stream) -> None:
        self._through = stream.base
        self._reader = Reader(cluster, stream.topic("progress"))
        self._reader.start_at_last()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def through(self) -> int:
        """The highest sequence told so far."""
        for message in self._reader.read(1_000, 0):
            try:
                _, header, _ = unpack(message.value)
                self._through = max(self._through, int(header["through"]))
            except (PoisonError, KeyError):  # whoever wrote that, the next one counts
                continue
        return self._through

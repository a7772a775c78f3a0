"""How far the recorder is: what the dispatcher waits for when it is too far ahead."""

from __future__ import annotations

from typing import Final, Self

from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.messages import PoisonError, number_in, pack, unpack
from pipeline.stream.topics import Stream

_LAST: Final = 100  # of its messages that are looked at: one of them is readable


def tell_progress(sender: Sender, stream: Stream, through: int) -> None:
    """Everything up to a sequence is recorded."""
    sender.send(stream.topic("progress"), 0, pack("progress", {"through": through}))


class Progress:
    """Follows the topic ``progress``."""

    def __init__(self, cluster: Cluster, stream: Stream) -> None:
        self._through = stream.after
        self._reader = Reader(cluster, stream.topic("progress"))
        self._reader.start_at_last(_LAST)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def through(self) -> int:
        """The highest sequence told so far."""
        for message in self._reader.read(1_000, 0):
            try:
                _, header, _ = unpack(message.value)
                self._through = max(self._through, number_in(header, "through"))
            except PoisonError:  # whoever wrote that, the next one counts
                continue
        return self._through

"""Uploads into a stream: their bytes to the archive, then their claims to ``intake``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline import traces
from pipeline.ingest.unpack import Payload
from pipeline.outcome import Channel, Mode
from pipeline.stream.broker import Cluster, Sender
from pipeline.stream.letters import dead_letters, unanswered
from pipeline.stream.messages import Claim, pack_claim, why_refused
from pipeline.stream.objects import Objects
from pipeline.stream.topics import Stream, refuse_renewed
from pipeline.upload_ids import upload_id_of

_log = logging.getLogger(__name__)

TOGETHER = 200  # uploads between two waits for the cluster
TOGETHER_BYTES = 64 << 20
_AT_ONCE = 16  # uploads under way to the disk, which syncs many in the time of one


@dataclass(frozen=True)
class How:
    """How uploads come. ``received_at`` stands for the clock; ``institution`` for a credential."""

    mode: Mode = "official"
    channel: Channel = "web-api"
    institution: str | None = None
    received_at: datetime | None = None


def claim_for(payload: Payload, how: How) -> Claim:
    """The claim of a file. Sent again, a file of the same name and bytes is known by its id."""
    received = how.received_at or datetime.now(UTC)
    told = (how.mode, how.institution or "", payload.name, payload.sha256.hex())
    return Claim(
        upload_id_of(received, "\0".join(told).encode()), payload.sha256.hex(), len(payload.data),
        received, how.institution, how.channel, how.mode, payload.name,
        refusal=why_refused(payload.refusal),
    )  # fmt: skip


def publish(
    uploads: Iterable[Payload], how: How, objects: Objects, sender: Sender, stream: Stream
) -> Iterable[str]:
    """Send uploads in order; gives the upload id of each once the cluster has it.

    Raises ``StoreWriteError``, ``BrokerError``, and ``StoreUnusableError`` where the stream was
    begun anew: what was given is sent, the rest may be sent again.
    """
    with ThreadPoolExecutor(_AT_ONCE, "archive") as pool:
        for lot in _lots(uploads):
            began = time.perf_counter()
            claims = [claim_for(payload, how) for payload in lot]
            whole = [pair for pair in zip(claims, lot, strict=True) if pair[1].refusal is None]
            list(pool.map(lambda pair: objects.keep(pair[0].sha256, pair[1].data), whole))
            for claim in claims:
                sender.send(stream.topic("intake"), 0, pack_claim(claim))
                facts = {"upload_id": claim.upload_id}
                _log.debug("published", extra={"facts": facts})
            sender.flush()
            refuse_renewed(objects.layout, stream)  # else nobody hears of these
            sent = {claim.upload_id: vars(claim) for claim in claims}
            traces.tell("take", sent, time.perf_counter() - began)
            yield from (claim.upload_id for claim in claims)


def publish_failed(
    store_uri: str, cluster: Cluster, sender: Sender, stream: Stream
) -> Iterable[str]:
    """Send what we failed on again, all but what was taken since; gives the upload ids.

    Who asks twice sends it twice; the second claim changes nothing. Raises ``BrokerError`` and
    ``StoreUnusableError``.
    """
    claims = [one.again for one in unanswered(store_uri, dead_letters(cluster, stream))]
    for claim in claims:
        sender.send(stream.topic("intake"), 0, pack_claim(claim))
    sender.flush()
    return [claim.upload_id for claim in claims]


def _lots(uploads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:
    """Uploads in order, as many together as memory bears."""
    lot, size = list[Payload](), 0
    for payload in uploads:
        lot.append(payload)
        size += len(payload.data)
        if len(lot) >= TOGETHER or size >= TOGETHER_BYTES:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot

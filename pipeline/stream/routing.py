"""PURE: checked uploads → the records that each partition is to merge, and those back to a batch.

Records travel alone: their bytes as received, their number and place in the upload, and their
verdict. A merge needs the columns of a record, not its findings, so it parses those bytes again,
each record as an upload of one, and puts number and place back (``reunited``). What the check found
goes straight to the recorder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import numpy as np

from pipeline.columns import Int64
from pipeline.core import Processed
from pipeline.kernels.merge_faults import DELETE
from pipeline.limits import UNLIMITED
from pipeline.merge.candidates import Candidates, candidates
from pipeline.merge.keys import buckets_of, months, months_of_keys
from pipeline.merge.merge import MergePolicy
from pipeline.merge.recall import keys_of
from pipeline.outcome import Findings
from pipeline.parse.parse import parse_many
from pipeline.results import Receipted
from pipeline.stream.messages import Claim, PoisonError
from pipeline.validate.ready import ready
from rules.plan import Plan
from schemas import version_in
from schemas.versions import versions

_HEAD: Final = {
    "big5": b'<?xml version="1.0" encoding="Big5"?><RECS>',
    "utf-8": b'<?xml version="1.0" encoding="UTF-8"?><RECS>',
}
_TAIL: Final = b"</RECS>"


@dataclass(frozen=True)
class Share:
    """What one partition is to merge of one upload; ``claim`` names its sender.

    Per record: ``numbers`` (from 1), ``offsets`` in the upload, ``verdicts`` of the check, and its
    ``records`` (bytes). ``months``: visit months of which so much is to be deleted that all
    partitions must count before anything of the upload is merged; then each has a share.
    """

    claim: Claim
    version: str
    encoding: str
    plan: str
    numbers: tuple[int, ...]
    offsets: tuple[int, ...]
    verdicts: tuple[int, ...]
    records: tuple[bytes, ...]
    months: tuple[int, ...] = ()

    @property
    def header(self) -> dict[str, Any]:
        """All but the bytes, as JSON takes it."""
        return {
            "claim": self.claim.header(), "version": self.version, "encoding": self.encoding,
            "plan": self.plan, "numbers": self.numbers, "offsets": self.offsets,
            "verdicts": self.verdicts, "months": self.months,
        }  # fmt: skip

    @classmethod
    def of(cls, header: Mapping[str, Any], blobs: Sequence[bytes]) -> Share:
        """From a message. Raises ``PoisonError``."""
        try:
            share = cls(
                Claim.of(header["claim"]), header["version"], header["encoding"], header["plan"],
                tuple(header["numbers"]), tuple(header["offsets"]), tuple(header["verdicts"]),
                tuple(blobs), tuple(header["months"]),
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise PoisonError("no share") from error
        if not share._is_sound():
            raise PoisonError("a share of other things")
        return share

    def _is_sound(self) -> bool:
        lists = (self.numbers, self.offsets, self.verdicts)
        return (
            all(len(numbers) == len(self.records) for numbers in lists)
            and all(type(number) is int for number in (*chain(*lists), *self.months))
            and self.encoding in _HEAD and self.version in versions()
        )  # fmt: skip


def shares(
    processed: Processed, claims: Sequence[Claim], sequences: Sequence[int], buckets: int,
    partitions: int, policy: MergePolicy,
) -> Iterator[tuple[int, int, Share]]:  # fmt: skip
    """(sequence, partition, share) of everything that processed uploads are to have merged.

    ``claims`` have their institution as it was found. A person's records share a partition.
    """
    found = candidates(processed, sequences)
    partition = buckets_of(keys_of(found.visits), buckets) % partitions
    asked = _asked(found, claims, policy)
    rows = defaultdict[tuple[int, int], list[int]](list)
    for at, (upload, of) in enumerate(zip(found.upload.tolist(), partition.tolist(), strict=True)):
        rows[upload, of].append(at)
    for upload in asked:
        for of in range(partitions):
            rows.setdefault((upload, of), [])  # each has a share, though it may be empty
    for (upload, of), chosen in sorted(rows.items()):
        share = _share(processed, found.row[chosen], upload, claims[upload])
        yield sequences[upload], of, replace(share, months=asked.get(upload, ()))


def _asked(
    found: Candidates, claims: Sequence[Claim], policy: MergePolicy
) -> dict[int, tuple[int, ...]]:
    """Uploads with so many deletes that they may have to be held, and the months of those."""
    deleting = found.action == DELETE
    deletes = np.bincount(found.upload[deleting], minlength=len(claims))
    month = np.where(
        found.normal == 1, months_of_keys(keys_of(found.visits)), months(found.visits["day"])
    )
    return {
        upload: tuple(np.unique(month[deleting & (found.upload == upload)]).tolist())
        for upload in np.flatnonzero(deletes > policy.held_above).tolist()
        if claims[upload].mode == "official" and not claims[upload].released
    }


def _share(processed: Processed, row: Int64, upload: int, claim: Claim) -> Share:
    batch = processed.batch
    at, length = batch.record_offset[row].tolist(), batch.record_length[row].tolist()
    start = int(batch.start[upload])
    return Share(
        claim, version_in(batch.layout).number, processed.encodings[upload], processed.plan.hash,
        tuple(batch.record_number[row].tolist()), tuple(offset - start for offset in at),
        tuple(processed.verdict[row].tolist()),
        tuple(batch.buffer[a : a + n].tobytes() for a, n in zip(at, length, strict=True)),
    )  # fmt: skip


@dataclass(frozen=True)
class Reunited:
    """Records of shares as a batch in which each is an upload of its own.

    Per record, in order of sequence and number: ``uploads``, ``sequences``.
    """

    processed: Processed
    uploads: tuple[Receipted, ...]

    @property
    def sequences(self) -> list[int]:
        """The sequence of each record."""
        return [one.sequence for one in self.uploads]


def reunited(shared: Sequence[tuple[int, Share]], plan: Plan) -> Reunited:
    """The records of (sequence, share) pairs, all of one mode and the plan's version of the format.

    Raises ``PoisonError`` for records that do not parse as the check parsed them.
    """
    payloads, uploads = list[bytes](), list[Receipted]()
    verdicts, numbers, offsets = list[int](), list[int](), list[int]()
    for sequence, share in shared:
        one = Receipted(
            share.claim.upload_id, share.claim.name, share.claim.sha256, sequence,
            share.claim.envelope,
        )  # fmt: skip
        uploads += [one] * len(share.numbers)
        payloads += [b"".join((_HEAD[share.encoding], r, _TAIL)) for r in share.records]
        heads = len(_HEAD[share.encoding])
        offsets += [heads - offset for offset in share.offsets]
        verdicts += share.verdicts
        numbers += share.numbers
    parsed = parse_many(payloads, utf8=True, limits=UNLIMITED, version=version_in(plan.layout))
    if any(parsed.refusals) or len(parsed.batch.record_number) != len(numbers):
        raise PoisonError("records that don't parse alone")
    batch = replace(
        parsed.batch,
        record_number=np.array(numbers, np.int32),
        start=parsed.batch.start + np.array(offsets, np.int64),
    )
    processed = Processed(
        plan, tuple(one.envelope for one in uploads), batch, (None,) * len(uploads),
        _no_findings(plan), np.array(verdicts, np.uint8),
        np.zeros(len(batch.order_record), np.uint8), parsed.encodings, parsed.parsers,
    )  # fmt: skip
    return Reunited(processed, tuple(uploads))


def _no_findings(plan: Plan) -> Findings:
    numbers, places = np.empty(0, np.int32), np.empty(0, np.int64)
    return Findings(
        numbers, numbers, numbers, numbers, places, numbers, places, numbers, ready(plan).names
    )

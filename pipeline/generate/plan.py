"""Who sends how many records in which upload: the set before any record is made."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipeline.generate.country import Institution, institutions

_FIRST_UPLOADS = 0.8  # of all uploads; the rest are second and later ones of some institution


@dataclass(frozen=True)
class Upload:
    """One upload to write; ``number`` from 1 in the order of file names, ``last`` of its sender."""

    number: int
    institution: Institution
    records: int
    last: bool

    @property
    def name(self) -> str:
        return f"upload-{self.number:05d}-{self.institution.code}.xml"


def plan_uploads(records: int, uploads: int, rng: Random) -> list[Upload]:
    """Exactly ``uploads`` uploads of at least one record and ``records`` records in all.

    Sizes are skewed as the institutions are: few hospitals with many records, many small clinics.
    """
    known = institutions(max(1, round(uploads * _FIRST_UPLOADS)), rng)
    weights = [institution.weight for institution in known]
    senders = [*known, *rng.choices(known, weights, k=uploads - len(known))]
    sizes = _split(records, [sender.weight for sender in senders])
    final = {sender.code: number for number, sender in enumerate(senders)}
    return [
        Upload(number + 1, sender, size, final[sender.code] == number)
        for number, (sender, size) in enumerate(zip(senders, sizes, strict=True))
    ]


def _split(total: int, weights: list[float]) -> list[int]:
    """Whole parts of at least one, in proportion to the weights."""
    spare, whole = total - len(weights), sum(weights)
    parts = [1 + int(spare * weight / whole) for weight in weights]
    for at in range(total - sum(parts)):
        parts[at % len(parts)] += 1
    return parts

"""Who asks: a signed-in person, or a program with an API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["clinic", "vendor", "insurer", "auditor"]


@dataclass(frozen=True)
class Who:
    """Somebody who proved who they are.

    ``id`` names the account or key in the audit log; ``institutions`` are those it belongs to: one
    of a clinic, one or more of a vendor's key, none of the insurer's people, who see all of them.
    """

    id: str
    name: str
    role: Role
    institutions: frozenset[str] = frozenset()

    @property
    def of_insurer(self) -> bool:
        """Whether they are of the insurer, who sees every institution and sends nothing."""
        return self.role in ("insurer", "auditor")

    def sees(self, institution: str | None) -> bool:
        """Whether what an institution sent may be shown to them, masked."""
        return self.of_insurer or institution in self.institutions

    def owns(self, institution: str | None) -> bool:
        """Whether they may send and download for an institution."""
        return institution in self.institutions

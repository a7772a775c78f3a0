"""Who asks: a signed-in person, a program with an API key, or whoever runs the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["clinic", "vendor", "insurer", "auditor", "operator"]


@dataclass(frozen=True)
class Who:
    """Somebody who proved who they are.

    ``id`` names the account or key in the audit log; ``institutions`` are those it belongs to: one
    of a clinic, one or more of a vendor's key, none of the insurer's people, who see all of them,
    and none of the operator, who sees none: the command line needs no leave of ours.
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


def operator(login: str | None = None) -> Who:
    """Whoever runs the machine, by their login there; nobody signs in as that."""
    return Who(f"operator:{login}" if login else "operator", login or "operator", "operator")


OPERATOR: Final = operator()

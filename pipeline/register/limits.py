"""Limits of a registration file. Document 002 names none; these are ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegisterLimits:
    """What one file may be; ``lines`` counts blank ones as well.

    The largest employers insure some 50,000 persons with their dependants.
    """

    file_bytes: int = 16 * 1024 * 1024
    rows: int = 100_000
    lines: int = 200_000


REGISTER_LIMITS = RegisterLimits()

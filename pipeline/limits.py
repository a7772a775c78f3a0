"""Published limits of an upload. Each is tested at the limit and one past it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one upload may be. The defaults are those of the published service.

    ``bytes_per_record``/``bytes_per_order`` bound how densely an upload may be packed with empty
    elements beyond the first hundred (a record with its required fields has over 300 bytes, an
    order over 80), so that a small upload can't demand much memory. ``findings`` and
    ``bytes_per_finding`` bound what is told of one upload, structural faults and broken rules
    together: nobody reads more.
    """

    upload_bytes: int = 64 * 1024 * 1024
    compression_ratio: int = 200
    records: int = 50_000
    orders: int = 300_000
    text_bytes: int = 65_536
    findings: int = 500_000
    bytes_per_record: int = 100
    bytes_per_order: int = 80
    bytes_per_finding: int = 16

    def most_records(self, size: int) -> int:
        """Records an upload of ``size`` bytes may hold."""
        return min(self.records, 100 + size // self.bytes_per_record)

    def most_orders(self, size: int) -> int:
        """Orders an upload of ``size`` bytes may hold."""
        return min(self.orders, 100 + size // self.bytes_per_order)

    def most_findings(self, size: int) -> int:
        """Findings an upload of ``size`` bytes may have."""
        return min(self.findings, 1_000 + size // self.bytes_per_finding)


LIMITS = Limits()

UNLIMITED = Limits(
    upload_bytes=1 << 40, records=1 << 30, orders=1 << 30, text_bytes=1 << 30, findings=1 << 30,
    bytes_per_record=1, bytes_per_order=1, bytes_per_finding=1,
)  # fmt: skip
"""For what was taken before, and is read again."""

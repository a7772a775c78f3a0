"""Which institutions a certificate or an address stands for, on the insurer's own envelope."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import and_, delete, or_, select

from pipeline.accounts.audit import note
from pipeline.accounts.database import InDatabase, insert_missing
from pipeline.accounts.faults import NoSuchAccountError, NotAllowedError, WrongBindingError
from pipeline.accounts.names import institution_code
from pipeline.accounts.tables import BINDINGS
from pipeline.accounts.who import Who

Kind = Literal["certificate", "network"]
_WIDEST: Final = {4: 16, 6: 32}  # a network of more addresses is nobody's own
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Binding:
    """An institution, and the certificate (SHA-256 fingerprint) or network that stands for it."""

    institution: str
    kind: Kind
    value: str
    bound_at: datetime
    bound_by: str


class Bindings(InDatabase):
    """Bindings, which only the operator makes."""

    def bound(self, address: str | None, fingerprint: str | None = None) -> frozenset[str]:
        """The institutions that somebody at an address, or with a certificate, may speak for.

        Both must come from where they can't be made up: the connection, or a trusted proxy.
        """
        asked = []
        if address is not None:
            asked.append(and_(BINDINGS.c.kind == "network", BINDINGS.c.value.in_(_around(address))))
        if fingerprint is not None:
            value = _plain(fingerprint)
            asked.append(and_(BINDINGS.c.kind == "certificate", BINDINGS.c.value == value))
        if not asked:
            return frozenset()
        with self._database.reading() as at:
            return frozenset(
                at.execute(select(BINDINGS.c.institution).where(or_(*asked))).scalars()
            )

    def bind(self, by: Who, institution: str, value: str) -> Binding:
        """Let a certificate's fingerprint or a network (CIDR, or one address) speak for one.

        Raises ``WrongBindingError``, also for what is bound to it already.
        """
        if by.role != "operator":
            raise NotAllowedError
        kind, plain = _read(value)
        now = self._database.clock()
        row = {"kind": kind, "value": plain, "institution": institution_code(institution),
               "bound_at": now, "bound_by": by.id}  # fmt: skip
        with self._database.writing() as at:
            if not insert_missing(at, BINDINGS, row):
                raise WrongBindingError("已經綁定", "It is bound already")
            note(at, now, by.id, "binding.made", plain, institution, {"kind": kind})
        return Binding(institution, kind, plain, now, by.id)

    def unbind(self, by: Who, institution: str, value: str) -> None:
        """Undo ``bind``. Raises ``NoSuchAccountError`` where there is none."""
        if by.role != "operator":
            raise NotAllowedError
        kind, plain = _read(value)
        with self._database.writing() as at:
            if not at.execute(
                delete(BINDINGS).where(
                    BINDINGS.c.kind == kind, BINDINGS.c.value == plain,
                    BINDINGS.c.institution == institution,
                )
            ).rowcount:  # fmt: skip
                raise NoSuchAccountError("沒有這個綁定", "There is no such binding")
            note(at, self._database.clock(), by.id, "binding.removed", plain, institution,
                 {"kind": kind})  # fmt: skip

    def bindings(self, institution: str | None = None) -> list[Binding]:
        """All bindings by institution, or those of one."""
        asked = select(BINDINGS).order_by(BINDINGS.c.institution, BINDINGS.c.kind, BINDINGS.c.value)
        if institution is not None:
            asked = asked.where(BINDINGS.c.institution == institution)
        with self._database.reading() as at:
            rows = at.execute(asked).all()
        return [
            Binding(row.institution, row.kind, row.value, row.bound_at, row.bound_by)
            for row in rows
        ]


def _read(value: str) -> tuple[Kind, str]:
    """What a binding is to, in the one way it is written. Raises ``WrongBindingError``."""
    fingerprint = _plain(value)
    if _FINGERPRINT.fullmatch(fingerprint):
        return "certificate", fingerprint
    try:
        network = ipaddress.ip_network(value.strip(), strict=True)
    except ValueError:
        raise WrongBindingError(
            "須為憑證的 SHA-256 指紋（64 個十六進位字元）或網段，如 192.0.2.0/28",
            "Give a certificate's SHA-256 fingerprint (64 hexadecimal digits) or a network, "
            "like 192.0.2.0/28",
        ) from None
    if network.prefixlen < _WIDEST[network.version]:
        raise WrongBindingError(
            f"網段太大，至少須為 /{_WIDEST[network.version]}",
            f"The network is too wide: /{_WIDEST[network.version]} at the widest",
        )
    return "network", str(network)


def _plain(fingerprint: str) -> str:
    return fingerprint.replace(":", "").strip().lower()


def _around(address: str) -> list[str]:
    """Every network that an address lies in and that could be bound."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return []
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return [
        str(ipaddress.ip_network((int(ip), prefix), strict=False))
        if ip.version == 4
        else str(ipaddress.IPv6Network((int(ip), prefix), strict=False))
        for prefix in range(_WIDEST[ip.version], ip.max_prefixlen + 1)
    ]

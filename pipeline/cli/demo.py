"""Sign-ins for the samples: made up at every start, shown once, for loopback only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from pipeline.store.kept import KeptTables

if TYPE_CHECKING:
    from pipeline.accounts.accounts import Accounts
    from pipeline.accounts.who import Role

KEY_NAME: Final = "示範 demo"


@dataclass(frozen=True)
class SignIn:
    """Who can come in: what they are, their name (empty: a key), the password or key."""

    what: str
    name: str
    secret: str


def sign_ins(accounts: Accounts, store_uri: str) -> list[SignIn]:
    """A person of the clinic that sent most, a vendor's key for two, people of the insurer.

    Accounts of an earlier start get new passwords, its key ends.
    """
    from pipeline.accounts.passwords import random_password
    from pipeline.accounts.who import OPERATOR

    busiest = _busiest(store_uri)
    shown = []

    def person(name: str, role: Role, what: str, institution: str | None = None) -> None:
        password = random_password()
        if any(account.name == name for account in accounts.all_accounts()):
            accounts.set_password(OPERATOR, name, password, must_change_password=False)
        else:
            accounts.create_account(
                OPERATOR, name, role=role, institution=institution, password=password,
                must_change_password=False,
            )  # fmt: skip
        shown.append(SignIn(what, name, password))

    for institution in busiest[:1]:
        person(f"demo-{institution.lower()}", "clinic", f"院所 clinic {institution}", institution)
    person("demo-insurer", "insurer", "保險人 insurer")
    person("demo-auditor", "auditor", "稽核 auditor")
    for key in accounts.keys(OPERATOR):
        if key.name == KEY_NAME and key.revoked_at is None:
            accounts.revoke_key(OPERATOR, key.id)
    if busiest:
        secret = accounts.create_key(OPERATOR, busiest, KEY_NAME)
        shown.append(SignIn(f"API 金鑰 key {' '.join(busiest)}", "", secret))
    return shown


def told(shown: list[SignIn]) -> str:
    """The sign-ins for a terminal of any width, each name and secret to be copied whole."""
    lines = ["示範帳號，只顯示這一次 sign-ins, shown this once"]
    for one in shown:
        lines += [f"  {one.what}", "      " + "  ".join(filter(None, (one.name, one.secret)))]
    return "\n".join(lines)


def _busiest(store_uri: str) -> list[str]:
    """The two institutions that sent the most uploads, pre-checks among them."""
    schema = pl.Schema({"institution": pl.String, "mode": pl.String})
    uploads = KeptTables(store_uri).snapshot("uploads").scan("uploads", schema)
    counted = (
        uploads.filter(pl.col("institution").is_not_null())
        .group_by("institution")
        .agg(pl.col("mode").n_unique().alias("modes"), pl.len().alias("uploads"))
        .sort("modes", "uploads", "institution", descending=True)
    )
    return counted.head(2).collect()["institution"].to_list()

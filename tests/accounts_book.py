"""Accounts in tests: both databases, a clock that is moved by hand, quick hashes."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from sqlalchemy import create_engine, make_url

from pipeline.accounts.accounts import Accounts, open_accounts
from pipeline.accounts.passwords import Hasher
from pipeline.accounts.who import OPERATOR
from pipeline.taipei import TAIPEI

X, Y, Z = "3501200000", "3501200001", "1101100011"
PASSWORD = "tower-lamp-goose-42"
OTHER_PASSWORD = "violin cabbage 77 noon"
WRONG = "not the right one, sorry"


class MovedClock:
    """The same moment until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 20, 9, 0, tzinfo=TAIPEI)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


def quick_hasher() -> Hasher:
    """argon2id as everywhere, of the least cost."""
    return Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Book:
    """Accounts, their clock and where they are kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = MovedClock()
        self.accounts: Accounts = open_accounts(url, self.clock, quick_hasher())

    def clinic(self, name: str = "amy", institution: str = X) -> str:
        """A clinic's account with ``PASSWORD``; gives its id."""
        return self.accounts.create_account(
            OPERATOR, name, role="clinic", institution=institution, password=PASSWORD,
            must_change_password=False,
        ).id  # fmt: skip

    def actions(self) -> list[str]:
        """What the audit log says was done, in order."""
        return [row.action for row in reversed(self.accounts.audit.rows(limit=10_000))]

    def tamper(self, *statements: str) -> None:
        """What somebody with the database's own password does, past the triggers."""
        if make_url(self.url).get_backend_name() == "sqlite":
            off = ["DROP TRIGGER IF EXISTS audit_stays_update",
                   "DROP TRIGGER IF EXISTS audit_stays_delete",
                   "DROP TRIGGER IF EXISTS audit_appends"]  # fmt: skip
        else:
            off = ["ALTER TABLE audit DISABLE TRIGGER ALL"]
        self.run(*off, *statements)

    def run(self, *statements: str) -> None:
        """Statements, each in a transaction of its own."""
        engine = create_engine(self.url)
        try:
            for statement in statements:
                with engine.begin() as at:
                    at.exec_driver_sql(statement)
        finally:
            engine.dispose()


def at_once(script: str, *arguments: str, processes: int = 8) -> list[str]:
    """Run a script in many processes at once; gives what each printed."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments, str(n)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(processes)
    ]  # fmt: skip
    ended = [one.communicate(timeout=120) for one in started]
    for one, (_, told) in zip(started, ended, strict=True):
        assert one.returncode == 0, told
    return [out for out, _ in ended]

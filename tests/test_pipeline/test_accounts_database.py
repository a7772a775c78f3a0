"""The database of accounts: made once, kept private, refused when it is not one of ours."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from accounts_book import PASSWORD, Book, X, at_once, quick_hasher
from postgres_server import fresh_database
from sqlalchemy import Connection, create_engine

from pipeline.accounts import format as accounts_format
from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.faults import AccountsUnusableError
from pipeline.errors import StoreUnusableError
from pipeline.settings import Settings


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        book = Book(f"sqlite:///{tmp_path}/new/accounts.sqlite")
        book.clinic()
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()
        }
        assert modes == dict.fromkeys(
            ("accounts.sqlite", "accounts.sqlite-wal", "accounts.sqlite-shm"), 0o600
        )
        book.accounts.close()
        (tmp_path / "new/accounts.sqlite").chmod(0o644)
        open_accounts(book.url).close()
        assert stat.S_IMODE((tmp_path / "new/accounts.sqlite").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_it_is_kept(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    with open_accounts(book.url, book.clock, quick_hasher()) as again:
        assert again.session(token)
        assert again.account("amy").institution == X
        assert again.audit.verify(book.accounts.audit.head()).ok


def test_a_newer_format_is_refused(book: Book) -> None:
    book.run("UPDATE about SET format = 2")
    with pytest.raises(AccountsUnusableError, match="format 2"):
        open_accounts(book.url)


def test_an_older_format_is_brought_up(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.clinic()

    def step(at: Connection) -> None:
        at.exec_driver_sql("ALTER TABLE accounts ADD COLUMN extra TEXT")

    def fails(at: Connection) -> None:
        step(at)
        raise RuntimeError("the power went")

    monkeypatch.setattr(accounts_format, "FORMAT", 2)
    monkeypatch.setitem(accounts_format.STEPS, 1, fails)
    with pytest.raises(RuntimeError):
        open_accounts(book.url)
    monkeypatch.setitem(accounts_format.STEPS, 1, step)  # nothing of the first try is there
    with open_accounts(book.url) as accounts:
        assert accounts.account("amy")
    with open_accounts(book.url) as accounts:
        assert accounts.audit.verify().ok


@pytest.mark.parametrize(
    "url",
    ["", "x", "sqlite://", "sqlite:///:memory:", "mysql://a/b", "postgresql+nodriver://a/b",
     "http://a/b", "sqlite:////proc/none/a.sqlite"],
)  # fmt: skip
def test_what_is_no_database(url: str) -> None:
    with pytest.raises(AccountsUnusableError) as refused:
        open_accounts(url)
    assert refused.value.message_zh


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(AccountsUnusableError) as refused:
        open_accounts("postgresql://amy:s3cretword@127.0.0.1:1/none")
    assert "s3cretword" not in f"{refused.value}{refused.value.__cause__!r}"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "accounts.sqlite").write_bytes(b"not a database, but quite long" * 100)
    with pytest.raises(AccountsUnusableError, match="backup"):
        open_accounts(f"sqlite:///{tmp_path}/accounts.sqlite")


def test_a_server_that_restarts_is_found_again() -> None:
    url = fresh_database()
    with open_accounts(url, hasher=quick_hasher()) as accounts:
        accounts.audit.append("who", "download", "1")
        engine = create_engine(url)
        with engine.connect() as at:
            at.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()
        assert accounts.audit.head().number == 1


_OPEN = """
import sys
from pipeline.accounts.accounts import open_accounts
from pipeline.accounts.who import OPERATOR
with open_accounts(sys.argv[1]) as accounts:
    accounts.create_account(OPERATOR, "name" + sys.argv[2], role="insurer")
    print(len(accounts.all_accounts()))
"""


def test_many_processes_may_make_it_at_once(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/a/accounts.sqlite", fresh_database()):
        at_once(_OPEN, url, processes=6)
        with open_accounts(url, hasher=quick_hasher()) as accounts:
            assert len(accounts.all_accounts()) == 6
            assert accounts.audit.verify().head.number == 6


def test_a_copy_of_the_files_is_a_backup(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path}/a/accounts.sqlite")
    book.clinic()
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a crash leaves it
    with open_accounts(f"sqlite:///{tmp_path}/b/accounts.sqlite") as copied:
        assert copied.account("amy")
    book.accounts.close()


def test_where_a_stores_accounts_are(tmp_path: Path) -> None:
    odd = tmp_path / "a store? #1 資料"
    with open_accounts(accounts_url(Settings(), str(odd)), hasher=quick_hasher()):
        assert (odd / "accounts.sqlite").is_file()
    told = Settings(accounts_url="postgresql://amy:s3cretword@db/nhi")
    assert accounts_url(told, str(odd)) == told.accounts_url
    assert "s3cretword" not in repr(told)
    with pytest.raises(StoreUnusableError):
        accounts_url(Settings(), "s3://bucket/store")

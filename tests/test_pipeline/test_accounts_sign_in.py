"""Signing in: names, passwords, lock-out, and what somebody at the door can find out."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from statistics import median
from threading import Event, Semaphore

import pytest
from accounts_book import OTHER_PASSWORD, PASSWORD, WRONG, Book, X, Y, quick_hasher
from argon2 import PasswordHasher

from pipeline.accounts.accounts import open_accounts
from pipeline.accounts.faults import (
    LockedOutError,
    NotAllowedError,
    WeakPasswordError,
    WrongNameError,
    WrongSignInError,
)
from pipeline.accounts.passwords import Hasher, random_password, require_strong
from pipeline.accounts.who import OPERATOR, Who
from pipeline.errors import PipelineError

HERE = "192.0.2.7"


def test_a_right_password_lets_in(book: Book) -> None:
    account_id = book.clinic()
    signed_in = book.accounts.sign_in("amy", PASSWORD, HERE)
    assert signed_in.who == Who(account_id, "amy", "clinic", frozenset({X}))
    session = book.accounts.session(signed_in.token)
    assert session is not None
    assert (session.who, session.csrf) == (signed_in.who, signed_in.csrf)
    assert book.accounts.account("amy").signed_in_at == book.clock.now
    assert book.actions() == ["account.created", "sign-in"]


@pytest.mark.parametrize("typed", ["AMY", "ａｍｙ", " amy ", "Ａｍｙ"])
def test_a_name_is_the_same_however_it_is_typed(book: Book, typed: str) -> None:
    book.clinic("Amy")
    assert book.accounts.sign_in(typed, PASSWORD).who.institutions == {X}
    with pytest.raises(WrongNameError):
        book.clinic(typed, Y)


@pytest.mark.parametrize(
    "name", ["аmy", "amy​", "ab", "a" * 65, "a my", "王小姐", "amy\x00", "ſ", "", "-amy", "a/../b"]
)
def test_a_name_that_looks_like_another_is_none(book: Book, name: str) -> None:
    with pytest.raises(WrongNameError):
        book.clinic(name)


def test_every_refusal_says_the_same(book: Book) -> None:
    book.clinic("amy")
    book.clinic("gone")
    book.accounts.disable(OPERATOR, "gone")
    book.accounts.create_account(OPERATOR, "linked", role="insurer")  # has no password
    told = set()
    for name, password in (
        ("amy", WRONG), ("nobody", PASSWORD), ("gone", PASSWORD), ("linked", PASSWORD),
        ("linked", ""), ("amy", PASSWORD + "x" * 2000), ("amy", "\ud800"), ("a\x00b", PASSWORD),
        ("' OR 1=1 --", PASSWORD), ("amy'; DROP TABLE accounts; --", PASSWORD), ("", ""),
    ):  # fmt: skip
        with pytest.raises(WrongSignInError) as refused:
            book.accounts.sign_in(name, password, HERE)
        told.add(str(refused.value))
    assert len(told) == 1
    assert book.accounts.sign_in("amy", PASSWORD, HERE)


def test_a_refusal_is_noted_without_what_was_typed(book: Book) -> None:
    account_id = book.clinic()
    for name in ("amy", "A123456789", PASSWORD):
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in(name, WRONG, HERE)
    rows = book.accounts.audit.rows(action="sign-in.refused")
    assert [(row.who, row.institution) for row in rows] == [
        ("-", None),
        ("-", None),
        (account_id, X),
    ]
    assert all(row.details == {"address": HERE} for row in rows)


def test_the_eleventh_try_waits_longer_each_time(book: Book) -> None:
    book.clinic()
    for minutes in (15, 30, 60, 120):
        for _ in range(10):
            with pytest.raises(WrongSignInError):
                book.accounts.sign_in("amy", WRONG)
        for password in (WRONG, PASSWORD):
            with pytest.raises(LockedOutError) as locked:
                book.accounts.sign_in("AMY", password)
            assert locked.value.seconds == minutes * 60
        assert book.accounts.account("amy").locked_until == book.clock.now + timedelta(
            minutes=minutes
        )
        book.clock.forward(minutes=minutes)
    assert book.accounts.sign_in("amy", PASSWORD)
    for _ in range(9):
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in("amy", WRONG)
    assert book.accounts.sign_in("amy", PASSWORD)  # the row of wrong ones begins anew


def test_a_lock_is_a_day_at_the_longest(book: Book) -> None:
    book.clinic()
    waits = []
    for _ in range(9):
        for _ in range(10):
            with pytest.raises(WrongSignInError):
                book.accounts.sign_in("amy", WRONG)
        until = book.accounts.account("amy").locked_until
        assert until is not None
        waits.append((until - book.clock.now) / timedelta(hours=1))
        book.clock.now = until
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 24, 24]


def test_names_that_are_not_there_lock_alike(book: Book) -> None:
    book.clinic()

    def tries(name: str) -> list[tuple[type, str]]:
        told = []
        for _ in range(12):
            with pytest.raises(PipelineError) as refused:
                book.accounts.sign_in(name, WRONG)
            told.append((type(refused.value), str(refused.value)))
        return told

    assert tries("amy") == tries("nobody") == tries("王小姐")


def test_the_operator_ends_a_lock(book: Book) -> None:
    book.clinic()
    for _ in range(10):
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in("amy", WRONG)
    book.accounts.enable(OPERATOR, "amy")
    assert book.accounts.sign_in("amy", PASSWORD)


def test_many_at_once_get_no_more_tries_than_one_by_one(book: Book) -> None:
    book.clinic()

    def one(_: int) -> str:
        try:
            book.accounts.sign_in("amy", WRONG)
        except PipelineError as refused:
            return type(refused).__name__
        return "in"

    with ThreadPoolExecutor(30) as threads:
        told = list(threads.map(one, range(200)))
    assert set(told) == {"WrongSignInError", "LockedOutError"}
    assert told.count("WrongSignInError") == 10
    refused = book.accounts.audit.rows(action="sign-in.refused")
    assert len(refused) == 10
    assert sum("locked_seconds" in row.details for row in refused) == 1
    assert book.accounts.audit.verify().ok


def test_an_address_that_tries_many_names_waits(book: Book) -> None:
    book.clinic()
    for n in range(60):
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in(f"name{n}", WRONG, f"2001:db8:1:2::{n:x}")
    with pytest.raises(LockedOutError) as waits:
        book.accounts.sign_in("amy", PASSWORD, "2001:db8:1:2:ffff::1")
    assert 0 < waits.value.seconds <= 15 * 60
    assert book.accounts.sign_in("amy", PASSWORD, "2001:db8:1:3::1")
    assert book.accounts.sign_in("amy", PASSWORD, HERE)
    last = book.accounts.audit.rows(action="sign-in.refused", limit=1)[0]
    assert last.details["address_waits"] is True


def test_a_long_line_is_refused_at_once() -> None:
    hasher, done, refused = quick_hasher(), Event(), Semaphore(0)

    def one(_: int) -> bool:
        try:
            with hasher.turn():
                return done.wait(10)
        except LockedOutError:
            refused.release()
            return False

    with ThreadPoolExecutor(22) as threads:
        told = [threads.submit(one, n) for n in range(22)]
        for _ in range(12):  # two are at it, eight may wait
            assert refused.acquire(timeout=10)
        done.set()
        assert sorted(one.result() for one in told) == [False] * 12 + [True] * 10


def test_an_unknown_name_costs_the_same_time(tmp_path: Path) -> None:
    hasher = Hasher(PasswordHasher(time_cost=2, memory_cost=16 * 1024, parallelism=1))
    with open_accounts(f"sqlite:///{tmp_path}/a.sqlite", hasher=hasher) as accounts:
        names = [f"name{n}" for n in range(4)]
        for name in names:
            accounts.create_account(OPERATOR, name, role="clinic", institution=X, password=PASSWORD)
        took: dict[bool, list[float]] = {True: [], False: []}
        for n in range(16):
            for known in (True, False):
                began = time.process_time()
                with pytest.raises(WrongSignInError):
                    accounts.sign_in(names[n % 4] if known else f"nobody{n}", WRONG)
                took[known].append(time.process_time() - began)
    assert 0.6 < median(took[True]) / median(took[False]) < 1.6
    assert min(took[False]) > 0.005  # a hash was computed


def test_a_hash_of_old_parameters_is_made_anew(book: Book) -> None:
    book.clinic()
    stronger = Hasher(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    with open_accounts(book.url, book.clock, stronger) as accounts:
        before = _kept(book)
        accounts.sign_in("amy", PASSWORD)
        after = _kept(book)
        assert before != after
        assert "m=64,t=2,p=1" in after
        accounts.sign_in("amy", PASSWORD)
        assert _kept(book) == after


def _kept(book: Book) -> str:
    with book.accounts._database.reading() as at:
        return str(at.exec_driver_sql("SELECT password FROM accounts").scalar_one())


def test_a_password_is_the_same_however_it_is_composed(book: Book) -> None:
    composed, apart = "caf\u00e9 窗戶 lantern 7 moss", "cafe\u0301 窗戶 lantern 7 moss"
    book.accounts.create_account(OPERATOR, "amy", role="clinic", institution=X, password=composed)
    assert book.accounts.sign_in("amy", apart).must_change_password


@pytest.mark.parametrize(
    "weak",
    ["short-1!Ab", "password1234", "111111111111", "qwertyuiopas", "3501200000350", "amy.lin.1990",
     "健保健保健保健保健保健保", "x" * 1100, "nhi-upload-nhi", "amy.linamy.lin"],
)  # fmt: skip
def test_a_weak_password_is_refused(book: Book, weak: str) -> None:
    with pytest.raises(WeakPasswordError):
        book.accounts.create_account(
            OPERATOR, "amy.lin", role="clinic", institution=X, password=weak
        )
    assert book.accounts.all_accounts() == []


def test_what_is_made_for_somebody_is_strong() -> None:
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        require_strong(password)


def test_a_changed_password_ends_every_session(book: Book) -> None:
    book.clinic()
    first, here = (book.accounts.sign_in("amy", PASSWORD) for _ in range(2))
    with pytest.raises(WrongSignInError):
        book.accounts.change_password(here.token, WRONG, OTHER_PASSWORD)
    with pytest.raises(WeakPasswordError):
        book.accounts.change_password(here.token, PASSWORD, PASSWORD)
    with pytest.raises(WeakPasswordError):
        book.accounts.change_password(here.token, PASSWORD, "amy35012000001")
    with pytest.raises(WrongSignInError):
        book.accounts.change_password("x" * 43, PASSWORD, OTHER_PASSWORD)
    new = book.accounts.change_password(here.token, PASSWORD, OTHER_PASSWORD)
    assert book.accounts.session(first.token) is None
    assert book.accounts.session(here.token) is None
    assert book.accounts.session(new.token) is not None
    with pytest.raises(WrongSignInError):
        book.accounts.sign_in("amy", PASSWORD)
    assert book.accounts.sign_in("amy", OTHER_PASSWORD)


def test_a_password_that_was_given_must_be_changed(book: Book) -> None:
    book.clinic()
    book.accounts.set_password(OPERATOR, "amy", OTHER_PASSWORD)
    signed_in = book.accounts.sign_in("amy", OTHER_PASSWORD)
    assert signed_in.must_change_password
    new = book.accounts.change_password(signed_in.token, OTHER_PASSWORD, PASSWORD)
    assert not new.must_change_password
    session = book.accounts.session(new.token)
    assert session is not None
    assert not session.must_change_password


def test_weak_new_passwords_are_no_wrong_sign_ins(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    for _ in range(12):
        with pytest.raises(WeakPasswordError):
            book.accounts.change_password(token, PASSWORD, "password1234")
    assert book.accounts.change_password(token, PASSWORD, OTHER_PASSWORD)


def test_guessing_the_old_password_in_a_session_locks_too(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    for _ in range(10):
        with pytest.raises(WrongSignInError):
            book.accounts.change_password(token, WRONG, OTHER_PASSWORD)
    with pytest.raises(LockedOutError):
        book.accounts.change_password(token, PASSWORD, OTHER_PASSWORD)


def test_only_the_operator_manages_accounts(book: Book) -> None:
    book.clinic()
    for who in (
        Who("x", "x", "clinic", frozenset({X})), Who("x", "x", "insurer"), Who("x", "x", "auditor"),
        Who("key:x", "x", "vendor", frozenset({X})),
    ):  # fmt: skip
        for wrong in (
            lambda by: book.accounts.create_account(by, "eve", role="auditor"),
            lambda by: book.accounts.disable(by, "amy"),
            lambda by: book.accounts.enable(by, "amy"),
            lambda by: book.accounts.set_password(by, "amy", OTHER_PASSWORD),
            lambda by: book.accounts.link_identity(by, "amy", "i", "s"),
            lambda by: book.accounts.unlink_identity(by, "amy", "i", "s"),
            lambda by: book.accounts.bind(by, X, "192.0.2.0/28"),
            lambda by: book.accounts.unbind(by, X, "192.0.2.0/28"),
        ):
            with pytest.raises(NotAllowedError):
                wrong(who)
    assert book.actions() == ["account.created"]


def test_a_role_and_its_institution_go_together(book: Book) -> None:
    for role, institution in (
        ("clinic", None), ("insurer", X), ("auditor", X), ("vendor", None), ("operator", None),
        ("clinic", "35012"),
    ):  # fmt: skip
        with pytest.raises(WrongNameError):
            book.accounts.create_account(
                OPERATOR,
                "amy",
                role=role,
                institution=institution,  # type: ignore[arg-type]
            )

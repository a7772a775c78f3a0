"""API keys, bindings and grants: whom they speak for, who makes and ends them."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from accounts_book import PASSWORD, Book, X, Y, Z
from sqlalchemy import create_engine

from pipeline.accounts.faults import (
    NoSuchAccountError,
    NotAllowedError,
    WrongBindingError,
    WrongNameError,
)
from pipeline.accounts.who import OPERATOR, Who

CLINIC_X = Who("accountx", "amy", "clinic", frozenset({X}))
CLINIC_Y = Who("accounty", "bob", "clinic", frozenset({Y}))
VENDOR = Who("key:abcdefgh", "HIS", "vendor", frozenset({X}))
INSURER = Who("accounti", "chen", "insurer")
PRINT = "3a" * 32


def test_a_key_speaks_for_its_institutions(book: Book) -> None:
    text = book.accounts.create_key(OPERATOR, [Y, X, X], " HIS 廠商 ")
    assert len(text) == 56
    assert text.startswith("nhi_")
    who = book.accounts.key(text)
    assert who == Who(f"key:{text[4:12]}", "HIS 廠商", "vendor", frozenset({X, Y}))
    assert who is not None
    assert who.owns(X)
    assert not who.owns(Z)


def test_a_key_is_not_guessed(book: Book) -> None:
    text = book.accounts.create_key(OPERATOR, [X], "HIS")
    other = book.accounts.create_key(OPERATOR, [Y], "HIS")
    near = [
        text[:13] + other[13:], text[:-1], text + "x", text.upper(), text.replace("nhi_", "NHI_"),
        "nhi_" + text[5:12] + "_" + text[13:] + "a", text[:13] + "x" * 43, "", "nhi_",
        text[:12] + "-" + text[13:], "nhi_" + "\x00" * 8 + text[12:], text[:13] + "\x00" * 43,
        "nhi_" + "%" * 8 + text[12:], text[:13] + "é" * 43, "nhi_" + "\ud800" * 8 + text[12:],
    ]  # fmt: skip
    near += [text[:13] + secrets.token_urlsafe(32) for _ in range(20)]
    assert [one for one in near if book.accounts.key(one)] == []
    assert book.accounts.key(text)


def test_it_ends_when_it_expires_or_is_revoked(book: Book) -> None:
    ends = book.clock.now + timedelta(days=1)
    text = book.accounts.create_key(CLINIC_X, [X], "門診", expires_at=ends)
    other = book.accounts.create_key(CLINIC_X, [X], "藥局")
    book.clock.now = ends - timedelta(seconds=1)
    assert book.accounts.key(text)
    book.clock.now = ends
    assert book.accounts.key(text) is None
    assert book.accounts.key(other)
    book.accounts.revoke_key(CLINIC_X, other[4:12])
    assert book.accounts.key(other) is None
    with pytest.raises(NoSuchAccountError):
        book.accounts.revoke_key(CLINIC_X, other[4:12])
    assert {key.name: key.works(ends) for key in book.accounts.keys(CLINIC_X)} == {
        "門診": False, "藥局": False,
    }  # fmt: skip


def test_who_may_make_one(book: Book) -> None:
    for who, institutions in (
        (CLINIC_X, [Y]), (CLINIC_X, [X, Y]), (VENDOR, [X]), (INSURER, [X]),
        (Who("a", "a", "auditor"), [X]),
    ):  # fmt: skip
        with pytest.raises(NotAllowedError):
            book.accounts.create_key(who, institutions, "HIS")
    for institutions in ([], ["35012"], ["350120000x"], ["3501200000\n"]):
        with pytest.raises(WrongNameError):
            book.accounts.create_key(OPERATOR, institutions, "HIS")
    for name in ("", " ", "a\nb", "a\x00", "x" * 101, "\u202eSIH"):
        with pytest.raises(WrongNameError):
            book.accounts.create_key(OPERATOR, [X], name)
    assert book.accounts.keys(OPERATOR) == []
    assert book.actions() == []


def test_a_clinic_sees_whoever_speaks_for_it_and_nothing_else(book: Book) -> None:
    own = book.accounts.create_key(CLINIC_X, [X], "own")[4:12]
    book.clock.forward(seconds=1)
    both = book.accounts.create_key(OPERATOR, [X, Y], "vendor")[4:12]
    book.clock.forward(seconds=1)
    foreign = book.accounts.create_key(CLINIC_Y, [Y], "theirs")[4:12]
    seen = {key.id: key.institutions for key in book.accounts.keys(CLINIC_X)}
    assert seen == {both: {X}, own: {X}}
    assert [key.id for key in book.accounts.keys(OPERATOR)] == [foreign, both, own]
    assert book.accounts.keys(OPERATOR)[1].institutions == {X, Y}
    assert [key.id for key in book.accounts.keys(OPERATOR, X)] == [both, own]
    assert book.accounts.keys(CLINIC_X, Y) == []
    assert book.accounts.keys(INSURER) == []
    for key_id in (foreign, "abcdefgh", "", "'; --"):
        with pytest.raises(NoSuchAccountError):
            book.accounts.revoke_key(CLINIC_X, key_id)
    for who in (VENDOR, INSURER):
        with pytest.raises(NotAllowedError):
            book.accounts.revoke_key(who, own)


def test_a_clinic_withdraws_from_a_key_of_several(book: Book) -> None:
    text = book.accounts.create_key(OPERATOR, [X, Y, Z], "vendor")
    assert book.accounts.key(text)
    book.accounts.revoke_key(CLINIC_X, text[4:12])
    who = book.accounts.key(text)
    assert who is not None
    assert who.institutions == {Y, Z}
    with pytest.raises(NoSuchAccountError):
        book.accounts.revoke_key(CLINIC_X, text[4:12])
    book.accounts.revoke_key(CLINIC_Y, text[4:12])
    book.accounts.revoke_key(Who("z", "z", "clinic", frozenset({Z})), text[4:12])
    assert book.accounts.key(text) is None
    told = book.accounts.audit.rows(limit=3)
    assert [(row.action, row.institution) for row in told] == [
        ("key.revoked", Z), ("key.withdrawn", Y), ("key.withdrawn", X),
    ]  # fmt: skip


def test_withdrawing_at_once_loses_nothing(book: Book) -> None:
    codes = [f"35012000{n:02}" for n in range(12)]
    text = book.accounts.create_key(OPERATOR, codes, "vendor")

    def withdraw(code: str) -> None:
        book.accounts.revoke_key(Who(code, code, "clinic", frozenset({code})), text[4:12])
        book.accounts.key(text)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(withdraw, codes[:-1]))
    who = book.accounts.key(text)
    assert who is not None
    assert who.institutions == {codes[-1]}
    assert book.accounts.audit.verify().ok


def test_its_use_is_written_once_a_minute(book: Book) -> None:
    text = book.accounts.create_key(OPERATOR, [X], "HIS")
    began, seen = book.clock.now, set()
    for _ in range(150):
        book.accounts.key(text)
        (key,) = book.accounts.keys(OPERATOR)
        assert key.used_at is not None
        seen.add(key.used_at - began)
        book.clock.forward(seconds=1)
    assert seen == {timedelta(minutes=n) for n in range(3)}


def test_a_busy_database_does_not_stop_a_request(book: Book) -> None:
    text = book.accounts.create_key(OPERATOR, [X], "HIS")
    engine = create_engine(book.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as at:
        sqlite = at.dialect.name == "sqlite"
        at.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
        at.exec_driver_sql("UPDATE keys SET name = name")
        began = time.monotonic()
        assert book.accounts.key(text)
        assert time.monotonic() - began < 5
        at.exec_driver_sql("ROLLBACK")
    engine.dispose()
    assert book.accounts.keys(OPERATOR)[0].used_at is None
    assert book.accounts.key(text)
    assert book.accounts.keys(OPERATOR)[0].used_at == book.clock.now


def test_what_is_bound_speaks_for_it(book: Book) -> None:
    accounts = book.accounts
    accounts.bind(OPERATOR, X, "192.0.2.16/28")
    accounts.bind(OPERATOR, Y, "192.0.2.17")
    accounts.bind(OPERATOR, Z, "2001:db8:5::/48")
    spelled = ":".join(["3A"] * 32)
    assert accounts.bind(OPERATOR, Z, spelled).value == PRINT
    for address, fingerprint, who in (
        ("192.0.2.16", None, {X}), ("192.0.2.17", None, {X, Y}), ("192.0.2.31", None, {X}),
        ("192.0.2.32", None, set()), ("192.0.2.15", None, set()), ("::ffff:192.0.2.16", None, {X}),
        ("2001:db8:5::9", None, {Z}), ("2001:db8:6::9", None, set()), (None, PRINT, {Z}),
        (None, PRINT.upper(), {Z}), ("192.0.2.17", PRINT, {X, Y, Z}), (None, "3b" * 32, set()),
        (None, None, set()), ("", "", set()), ("testclient", None, set()), ("' --", "' --", set()),
        (None, "192.0.2.16/28", set()), (PRINT, None, set()),
    ):  # fmt: skip
        assert accounts.bound(address, fingerprint) == who, (address, fingerprint)
    assert [one.institution for one in accounts.bindings()] == [Z, Z, X, Y]
    assert [one.value for one in accounts.bindings(Y)] == ["192.0.2.17/32"]
    accounts.unbind(OPERATOR, Y, "192.0.2.17/32")
    accounts.unbind(OPERATOR, Z, spelled.lower())
    assert accounts.bound("192.0.2.17", PRINT) == {X}


@pytest.mark.parametrize(
    "value",
    ["0.0.0.0/0", "10.0.0.0/15", "::/0", "2001::/31", "192.0.2.1/28", "example.org", "", "3a" * 31,
     "3g" * 32, "192.0.2.0/33", "192.0.2.0/28; --"],
)  # fmt: skip
def test_what_cannot_be_bound(book: Book, value: str) -> None:
    with pytest.raises(WrongBindingError):
        book.accounts.bind(OPERATOR, X, value)
    assert book.accounts.bindings() == []


def test_binding_twice_and_unbinding_what_is_not(book: Book) -> None:
    book.accounts.bind(OPERATOR, X, PRINT)
    with pytest.raises(WrongBindingError):
        book.accounts.bind(OPERATOR, X, PRINT.upper())
    with pytest.raises(NoSuchAccountError):
        book.accounts.unbind(OPERATOR, Y, PRINT)
    assert book.actions() == ["binding.made"]


def test_an_ended_download_is_there_again(book: Book) -> None:
    upload = "01JABCDEFGHJKMNPQRSTVWXYZ0"
    assert book.accounts.grants.reopened_until(upload) is None
    until = book.clock.now + timedelta(days=14)
    book.accounts.grants.reopen(upload, until, CLINIC_X.id, X)
    assert book.accounts.grants.reopened_until(upload) == until
    later = until + timedelta(days=3)
    book.accounts.grants.reopen(upload, later, CLINIC_X.id, X)
    assert book.accounts.grants.reopened_until(upload) == later
    assert book.accounts.grants.reopened_until("01JABCDEFGHJKMNPQRSTVWXYZ1") is None
    row = book.accounts.audit.rows(limit=1)[0]
    assert (row.who, row.action, row.object) == (CLINIC_X.id, "download.reopened", upload)


def test_a_disabled_person_is_named_as_maker_of_keys_that_stay(book: Book) -> None:
    account_id = book.clinic()
    who = book.accounts.sign_in("amy", PASSWORD).who
    text = book.accounts.create_key(who, [X], "HIS")
    book.accounts.disable(OPERATOR, "amy")
    assert book.accounts.key(text)
    assert book.accounts.keys(OPERATOR)[0].created_by == account_id

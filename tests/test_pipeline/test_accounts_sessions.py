"""Sessions: how long they go on, who can end them, and what can be guessed, fixed or read."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from accounts_book import OTHER_PASSWORD, PASSWORD, Book, X, Y
from sqlalchemy import create_engine, inspect

from pipeline.accounts.faults import NoSuchAccountError, WrongNameError, WrongSignInError
from pipeline.accounts.who import OPERATOR, Who

ISSUER = "https://id.example.gov.tw"


def test_half_an_hour_without_use_ends_it(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    for _ in range(5):
        book.clock.forward(minutes=29, seconds=59)
        assert book.accounts.session(token)
    book.clock.forward(minutes=30)
    assert book.accounts.session(token) is None
    book.clock.forward(minutes=-1)
    assert book.accounts.session(token)  # it was the clock, not a change


def test_twelve_hours_end_it_however_it_is_used(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    began = book.clock.now
    while book.clock.now < began + timedelta(hours=11, minutes=59):
        session = book.accounts.session(token)
        assert session is not None
        assert session.ends_at == began + timedelta(hours=12)
        book.clock.forward(minutes=1)
    book.clock.now = began + timedelta(hours=12)
    assert book.accounts.session(token) is None


def test_its_use_is_written_once_a_minute(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    began, seen = book.clock.now, set()
    for _ in range(180):
        book.clock.forward(seconds=1)
        book.accounts.session(token)
        (one,) = book.accounts.sessions(token)
        seen.add(one.seen_at - began)
    assert seen == {timedelta(minutes=n) for n in range(4)}


def test_a_token_is_not_guessed(book: Book) -> None:
    book.clinic()
    token = book.accounts.sign_in("amy", PASSWORD).token
    assert len(token) == 43
    near = [token[:-1], token + "A", token.swapcase(), token[::-1], "", " " * 43, "\x00" * 43,
            "%" * 43, "é" * 43, "\ud800" * 43, "' OR ''='" + "x" * 34]  # fmt: skip
    for n in range(len(token)):
        near.append(token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :])
    near += [secrets.token_urlsafe(32) for _ in range(50)]
    assert [one for one in near if book.accounts.session(one)] == []
    assert book.accounts.session(None) is None


def test_a_token_is_made_at_sign_in_and_never_kept(book: Book) -> None:
    book.clinic()
    before = book.accounts.sign_in("amy", PASSWORD)
    after = book.accounts.sign_in("amy", PASSWORD)
    assert before.token != after.token
    assert before.csrf != after.csrf
    key = book.accounts.create_key(after.who, [X], "HIS")
    text = "\n".join(_everything(book))
    for secret in (before.token, after.token, before.csrf, after.csrf, key, key[13:], PASSWORD):
        assert secret not in text
    assert "$argon2id$" in text
    for shown in (repr(after), repr(book.accounts.session(after.token))):
        assert after.token not in shown
        assert after.csrf not in shown


def _everything(book: Book) -> list[str]:
    """Every row of every table, as text."""
    engine = create_engine(book.url)
    try:
        with engine.connect() as at:
            return [
                repr(row)
                for table in inspect(at).get_table_names()
                for row in at.exec_driver_sql(f"SELECT * FROM {table}").all()
            ]
    finally:
        engine.dispose()


def test_a_person_sees_and_ends_their_own(book: Book) -> None:
    book.clinic("amy")
    book.clinic("bob", Y)
    first = book.accounts.sign_in("amy", PASSWORD, "192.0.2.1").token
    book.clock.forward(minutes=2)
    here = book.accounts.sign_in("amy", PASSWORD, "192.0.2.2").token
    other = book.accounts.sign_in("bob", PASSWORD).token
    listed = book.accounts.sessions(here)
    assert [(one.address, one.this) for one in listed] == [
        ("192.0.2.2", True), ("192.0.2.1", False),
    ]  # fmt: skip
    (foreign,) = book.accounts.sessions(other)
    for session_id in (foreign.id, "nothere", ""):
        with pytest.raises(NoSuchAccountError):
            book.accounts.end_session(here, session_id)
    assert book.accounts.session(other)
    book.accounts.end_session(here, listed[1].id)
    assert book.accounts.session(first) is None
    for _ in range(3):
        book.accounts.sign_in("amy", PASSWORD)
    assert book.accounts.end_other_sessions(here) == 3
    assert len(book.accounts.sessions(here)) == 1
    book.accounts.sign_out(here)
    book.accounts.sign_out(here)
    assert book.accounts.session(here) is None
    assert book.accounts.sessions(here) == []
    assert book.accounts.end_other_sessions(here) == 0
    assert book.accounts.session(other)
    assert book.actions()[-3:] == ["sign-in", "session.ended", "sign-out"]


def test_what_the_operator_does_ends_them(book: Book) -> None:
    book.clinic()
    for what in (
        lambda: book.accounts.disable(OPERATOR, "amy"),
        lambda: book.accounts.set_password(OPERATOR, "amy", OTHER_PASSWORD),
        lambda: book.accounts.set_password(OPERATOR, "amy", None),
    ):
        book.accounts.enable(OPERATOR, "amy")
        book.accounts.set_password(OPERATOR, "amy", PASSWORD)
        token = book.accounts.sign_in("amy", PASSWORD).token
        assert book.accounts.session(token)
        what()
        assert book.accounts.session(token) is None
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in("amy", PASSWORD)


def test_ended_sessions_are_forgotten(book: Book) -> None:
    book.clinic()
    for _ in range(5):
        book.accounts.sign_in("amy", PASSWORD)
        book.clock.forward(hours=1)
    token = book.accounts.sign_in("amy", PASSWORD).token
    assert sum("token_hash" in line or "'amy'" in line for line in _everything(book))
    engine = create_engine(book.url)
    with engine.connect() as at:
        assert at.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 1
    engine.dispose()
    assert book.accounts.session(token)


def test_the_insurers_provider_vouches_for_linked_people_alone(book: Book) -> None:
    book.clinic()
    made = book.accounts.create_account(OPERATOR, "chen", role="auditor", display="陳稽核")
    with pytest.raises(WrongSignInError):
        book.accounts.sign_in_identity(ISSUER, "17")
    book.accounts.link_identity(OPERATOR, "chen", ISSUER, "17")
    signed_in = book.accounts.sign_in_identity(ISSUER, "17", "192.0.2.9")
    assert signed_in.who == Who(made.id, "陳稽核", "auditor")
    assert book.accounts.session(signed_in.token)
    for issuer, subject in (
        (ISSUER, "18"), (ISSUER, ""), (ISSUER + "/", "17"), ("https://evil.example", "17"),
        (ISSUER, "17 "), (ISSUER.upper(), "17"),
    ):  # fmt: skip
        with pytest.raises(WrongSignInError):
            book.accounts.sign_in_identity(issuer, subject)
    with pytest.raises(WrongNameError):
        book.accounts.link_identity(OPERATOR, "amy", ISSUER, "18")  # a clinic's: never
    with pytest.raises(WrongNameError):
        book.accounts.link_identity(OPERATOR, "chen", ISSUER, "17")
    assert [one.subject for one in book.accounts.identities("chen")] == ["17"]
    book.accounts.unlink_identity(OPERATOR, "chen", ISSUER, "17")
    assert book.accounts.session(signed_in.token) is None
    with pytest.raises(WrongSignInError):
        book.accounts.sign_in_identity(ISSUER, "17")
    with pytest.raises(NoSuchAccountError):
        book.accounts.unlink_identity(OPERATOR, "chen", ISSUER, "17")


def test_a_disabled_account_is_not_vouched_for(book: Book) -> None:
    book.accounts.create_account(OPERATOR, "chen", role="insurer")
    book.accounts.link_identity(OPERATOR, "chen", ISSUER, "17")
    book.accounts.disable(OPERATOR, "chen")
    with pytest.raises(WrongSignInError):
        book.accounts.sign_in_identity(ISSUER, "17")

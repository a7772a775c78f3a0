"""The audit log: nobody changes a row unseen, and nothing in it names a patient."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from accounts_book import PASSWORD, Book, X, Y, at_once
from sqlalchemy.exc import DBAPIError

from pipeline.accounts.actions import ACTIONS, action_words, is_action
from pipeline.accounts.audit import AuditLog, note
from pipeline.accounts.audit_check import WORDS, Head, Why, Wrong
from pipeline.accounts.audit_row import NO_HASH
from pipeline.accounts.faults import AccountsUnusableError
from pipeline.accounts.who import OPERATOR

UPLOAD = "01JAB0123456789ABCDEFGHJKM"


@pytest.fixture
def log(book: Book) -> AuditLog:
    for n in range(20):
        book.accounts.audit.append(f"who{n % 3}", "download", f"{n}", X if n % 2 else Y, {"n": n})
        book.clock.forward(seconds=1)
    return book.accounts.audit


def test_an_empty_log_is_whole(book: Book) -> None:
    assert book.accounts.audit.head() == Head(0, NO_HASH)
    assert book.accounts.audit.verify(Head(0, NO_HASH)).ok
    assert book.accounts.audit.verify(Head(0, "1" * 64)).wrong == Wrong(0, "head")
    assert book.accounts.audit.verify(Head(1, "1" * 64)).wrong == Wrong(1, "cut")
    assert book.accounts.audit.rows() == []


def test_rows_follow_each_other(log: AuditLog) -> None:
    rows = log.rows()[::-1]
    assert [row.number for row in rows] == list(range(1, 21))
    assert rows[0].previous == NO_HASH
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
    found = log.verify(*(Head(row.number, row.hash) for row in rows))
    assert found.ok
    assert found.head == log.head() == Head.parse(str(log.head()))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET who = 'nobody'", "UPDATE audit SET number = number + 100",
     "DELETE FROM audit WHERE number = 20", "DELETE FROM audit",
     "INSERT INTO audit SELECT 21 + 1, at, who, action, object, institution, detail, previous, hash"
     " FROM audit WHERE number = 20"],
)  # fmt: skip
def test_the_database_itself_only_appends(book: Book, log: AuditLog, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        book.run(statement)
    assert log.verify(log.head()).ok


def test_a_row_is_not_replaced_or_truncated(book: Book, log: AuditLog) -> None:
    copied = ("SELECT number, at, 'nobody', action, object, institution, detail, previous, hash "
              "FROM audit WHERE number = 7")  # fmt: skip
    sqlite = book.url.startswith("sqlite")
    for statement in (
        [f"INSERT OR REPLACE INTO audit {copied}"] if sqlite
        else [f"INSERT INTO audit {copied} ON CONFLICT (number) DO UPDATE SET who = 'nobody'",
              "TRUNCATE audit", "TRUNCATE audit CASCADE"]
    ):  # fmt: skip
        with pytest.raises(DBAPIError, match="append-only"):
            book.run(statement)
    assert log.verify().head.number == 20


@pytest.mark.parametrize("column", ["at", "who", "action", "object", "institution", "detail"])
def test_a_changed_row_is_found(book: Book, log: AuditLog, column: str) -> None:
    book.tamper(f"UPDATE audit SET {column} = '2' WHERE number = 7")
    assert log.verify().wrong == Wrong(7, "hash")
    assert log.verify().head.number == 6


def test_a_column_that_lost_its_value_is_found(book: Book, log: AuditLog) -> None:
    book.tamper("UPDATE audit SET institution = NULL WHERE number = 7")
    assert log.verify().wrong == Wrong(7, "hash")


@pytest.mark.parametrize(
    ("statements", "number", "why"),
    [
        (["DELETE FROM audit WHERE number = 7"], 7, "gap"),
        (["DELETE FROM audit WHERE number = 1"], 1, "gap"),
        (["DELETE FROM audit WHERE number = 7",
          "UPDATE audit SET number = number - 1 WHERE number = 8"], 7, "previous"),
        (["UPDATE audit SET number = 100 WHERE number = 7",
          "UPDATE audit SET number = 7 WHERE number = 8",
          "UPDATE audit SET number = 8 WHERE number = 100"], 7, "previous"),
        (["UPDATE audit SET hash = previous WHERE number = 7"], 7, "hash"),
        (["UPDATE audit SET previous = hash WHERE number = 7"], 7, "previous"),
        (["UPDATE audit SET number = 0 WHERE number = 1"], 1, "gap"),
    ],
)  # fmt: skip
def test_rows_taken_away_or_moved_are_found(
    book: Book, log: AuditLog, statements: list[str], number: int, why: Why
) -> None:
    book.tamper(*statements)
    assert log.verify().wrong == Wrong(number, why)


def test_a_cut_tail_is_found_by_a_kept_head(book: Book, log: AuditLog) -> None:
    kept = log.head()
    book.tamper("DELETE FROM audit WHERE number > 15")
    assert log.verify().ok  # nothing in the log itself tells
    assert log.verify(kept).wrong == Wrong(16, "cut")
    for n in range(5):
        log.append("eve", "download", f"other{n}")
    assert log.verify().ok
    assert log.verify(kept).wrong == Wrong(20, "head")
    for n in range(5):
        log.append("eve", "download", f"more{n}")
    assert log.verify(kept).wrong == Wrong(20, "head")


def test_a_log_written_anew_is_found_by_a_kept_head(book: Book, log: AuditLog) -> None:
    rows, kept = log.rows()[::-1], log.rows()[10]
    book.tamper("DELETE FROM audit")
    for row in rows:
        log.append("eve", row.action, row.object, row.institution, row.details)
    assert log.verify().ok
    assert log.verify(Head(kept.number, kept.hash)).wrong == Wrong(kept.number, "head")


def test_two_heads_of_one_row_cannot_both_be_right(log: AuditLog) -> None:
    right = log.head()
    assert log.verify(right, Head(right.number, "0" * 64)).wrong == Wrong(20, "head")


@pytest.mark.parametrize("text", ["", "ab:1", "g" * 64 + ":1", "a" * 64, "a" * 64 + ":-1",
                                  "a" * 64 + ":01", "a" * 64 + ":1:2"])  # fmt: skip
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match="HASH:NUMBER"):
        Head.parse(text)


def test_a_long_log_is_walked_a_part_at_a_time(book: Book) -> None:
    with book.accounts._database.writing() as at:
        for n in range(1_050):
            note(at, book.clock.now, "who", "download", str(n))
    found = book.accounts.audit.verify()
    assert (found.ok, found.head.number) == (True, 1_050)
    book.tamper("UPDATE audit SET who = 'eve' WHERE number = 1001")
    assert book.accounts.audit.verify().wrong == Wrong(1_001, "hash")


def test_rows_by_who_what_whose_and_when(book: Book, log: AuditLog) -> None:
    began = book.clock.now - timedelta(seconds=20)
    assert {row.who for row in log.rows(who="who1")} == {"who1"}
    assert len(log.rows(institution=X)) == 10
    assert [row.object for row in log.rows(object="7")] == ["7"]
    assert log.rows(action="sign-in") == []
    when = log.rows(first=began + timedelta(seconds=3), last=began + timedelta(seconds=5))
    assert [row.object for row in when] == ["5", "4", "3"]
    assert when[0].moment == began + timedelta(seconds=5)
    pages, before = [], None
    while page := log.rows(limit=6, before=before):
        pages.append([row.number for row in page])
        before = page[-1].number
    assert [number for page in pages for number in page] == list(range(20, 0, -1))
    assert [len(page) for page in pages] == [6, 6, 6, 2]
    for odd in ("' OR 1=1", "%", "王", "a" * 5000, "\x00", "\ud800"):
        assert log.rows(who=odd, action=odd, object=odd, institution=odd) == []


def test_nothing_in_a_row_names_a_patient(book: Book) -> None:
    log = book.accounts.audit
    log.append("key:abcdefgh", "history.seen", "350120A123456789XYZ1", X, {
        "id": "A123456789", "Ａ１２３４５６７８９": ["F223456789", {"deep": "treats A123456789"}],
        "name": "f234567890.xml", "set": {"b", "a"}, "n": 3, "none": None, "yes": True,
        "big": 2**70, "nan": float("nan"), "object": object, "sums": {1: 2},
    })  # fmt: skip
    log.append("who", "download", f"{UPLOAD}/12", X, {"sha256": "a123456789" * 6 + "abcd"})
    second, first = log.rows()
    text = f"{first.object} {first.detail}"
    assert not re.search(r"[A-Za-z][12]\d{8}", text)
    assert "XYZ" not in text
    assert first.details["set"] == ["a", "b"]
    assert (first.details["n"], first.details["none"], first.details["yes"]) == (3, None, True)
    assert second.object == f"{UPLOAD}/12"  # ours, where digits are chance
    assert second.details == {"sha256": "a123456789" * 6 + "abcd"}
    assert log.verify().ok


@pytest.mark.parametrize(
    "text", ["a\x00b", "\ud800", "line\nline", "\u202eback", "x" * 9000, "'; --"]
)
def test_any_text_can_be_noted(book: Book, text: str) -> None:
    book.accounts.audit.append(text, "download", text, text, {text: text})
    (row,) = book.accounts.audit.rows()
    assert "\n" not in row.object
    assert len(row.object) <= 200
    assert len(row.detail) < 3000
    assert book.accounts.audit.verify().ok


def test_an_action_has_a_form_and_words(book: Book) -> None:
    assert all(is_action(action) and all(action_words(action)) for action in ACTIONS)
    assert action_words("odd.thing") == ("odd.thing", "odd.thing")
    for wrong in ("", "Download", "a b", "a.", ".a", "a" * 41, "下載"):
        with pytest.raises(ValueError, match="action"):
            book.accounts.audit.append("who", wrong, "x")
    assert book.accounts.audit.head().number == 0
    assert len({*WORDS}) == 5


def test_a_change_and_its_row_come_together(book: Book) -> None:
    """Where the row can't be written, nothing was changed."""
    book.clinic()
    signed_in = book.accounts.sign_in("amy", PASSWORD)
    book.run("ALTER TABLE audit RENAME TO elsewhere")
    for change in (
        lambda: book.accounts.sign_in("amy", PASSWORD),
        lambda: book.accounts.sign_out(signed_in.token),
        lambda: book.accounts.disable(OPERATOR, "amy"),
        lambda: book.accounts.create_key(signed_in.who, [X], "HIS"),
        lambda: book.accounts.bind(OPERATOR, X, "192.0.2.0/28"),
        lambda: book.accounts.grants.reopen(UPLOAD, book.clock.now, "amy"),
    ):
        with pytest.raises((AccountsUnusableError, DBAPIError)):
            change()
    book.run("ALTER TABLE elsewhere RENAME TO audit")
    assert book.actions() == ["account.created", "sign-in"]
    assert len(book.accounts.sessions(signed_in.token)) == 1
    assert book.accounts.keys(OPERATOR) == []
    assert book.accounts.bindings() == []
    assert book.accounts.grants.reopened_until(UPLOAD) is None


_APPEND = """
import sys
from pipeline.accounts.accounts import open_accounts
with open_accounts(sys.argv[1]) as accounts:
    for n in range(25):
        accounts.audit.append("p" + sys.argv[2], "download", str(n))
"""


def test_eight_processes_append_to_one_chain(book: Book) -> None:
    at_once(_APPEND, book.url)
    rows = book.accounts.audit.rows(limit=1000)[::-1]
    assert len(rows) == 200
    for n in range(8):
        assert [row.object for row in rows if row.who == f"p{n}"] == [str(i) for i in range(25)]
    assert book.accounts.audit.verify().ok

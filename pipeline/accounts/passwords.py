"""Passwords: how strong they must be, and how they are kept (argon2id)."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.accounts.faults import LockedOutError, WeakPasswordError

MIN_CHARACTERS: Final = 12
MAX_BYTES: Final = 1024
_MIN_SCORE: Final = 3  # of zxcvbn, 0–4: "safely unguessable" for most uses
_LOOKED_AT: Final = 72  # characters; zxcvbn is slow on more
_WORDS_OF_OURS: Final = ("nhi", "nhi-upload", "健保", "健保卡", "clinic", "hospital", "vpn")
_GROUPS, _IN_GROUP, _SIGNS = 5, 4, "abcdefghjkmnpqrstuvwxyz23456789"
_AT_ONCE, _IN_LINE, _WAIT_SECONDS = 2, 8, 10
_estimating = Lock()  # zxcvbn keeps the words it is given in a dictionary of the module


def require_strong(password: str, words: Sequence[str] = ()) -> None:
    """Raise ``WeakPasswordError`` unless a password is hard to guess.

    ``words`` are what a guesser would try first: the person's name, the institution's code.
    """
    plain = normal(password)
    if len(plain) < MIN_CHARACTERS:
        raise WeakPasswordError(
            f"密碼至少須 {MIN_CHARACTERS} 個字",
            f"A password has at least {MIN_CHARACTERS} characters",
        )
    if len(plain.encode("utf-8", "replace")) > MAX_BYTES:
        raise WeakPasswordError(
            f"密碼不可超過 {MAX_BYTES} 位元組", f"A password has at most {MAX_BYTES} bytes"
        )
    if min(_score(plain, words), _score(_without(plain, words), words)) < _MIN_SCORE:
        raise WeakPasswordError(
            "這個密碼太容易猜中；請用幾個不相關的詞，或由密碼管理程式產生",
            "This password is too easy to guess; use several unrelated words, or let a "
            "password manager make one",
        )


def random_password() -> str:
    """A password of 99 random bits, in groups that can be read out."""
    return "-".join(
        "".join(secrets.choice(_SIGNS) for _ in range(_IN_GROUP)) for _ in range(_GROUPS)
    )


def normal(password: str) -> str:
    """A password as it is hashed: the same however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password)


class Hasher:
    """Hashes passwords, a few at a time: each takes 64 MiB and a tenth of a second."""

    def __init__(self, argon2: PasswordHasher | None = None) -> None:
        self._argon2 = argon2 or PasswordHasher()
        self._nobody = self._argon2.hash(secrets.token_urlsafe())
        self._working = BoundedSemaphore(_AT_ONCE)
        self._in_line = BoundedSemaphore(_AT_ONCE + _IN_LINE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait in line; raises ``LockedOutError`` where the line is long already."""
        if not self._in_line.acquire(blocking=False):
            raise LockedOutError(_WAIT_SECONDS)
        try:
            with self._working:
                yield
        finally:
            self._in_line.release()

    def hash(self, password: str) -> str:
        """A password's hash, with its parameters and salt."""
        return self._argon2.hash(normal(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the password. ``None``: nobody's; takes as long, and never matches."""
        typed = normal(password)
        fits = len(typed.encode("utf-8", "replace")) <= MAX_BYTES
        try:
            self._argon2.verify(kept or self._nobody, typed if fits else "")
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return kept is not None and fits

    def is_old(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than are used now."""
        return self._argon2.check_needs_rehash(kept)


def _without(password: str, words: Sequence[str]) -> str:
    """What a password has besides the words that are known of its owner."""
    rest = password.casefold()
    for word in sorted({normal(word).casefold() for word in words}, key=len, reverse=True):
        rest = rest.replace(word, "") if len(word) > 1 else rest
    return rest


def _score(password: str, words: Sequence[str]) -> int:
    # Its word lists take a tenth of a second to load.
    if not password:
        return 0
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]

    with _estimating:
        found = zxcvbn(password[:_LOOKED_AT], user_inputs=[*words, *_WORDS_OF_OURS])
    return int(found["score"])

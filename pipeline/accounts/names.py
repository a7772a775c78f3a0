"""Names of accounts, and random ids and secrets."""

from __future__ import annotations

import re
import secrets
import unicodedata
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from pipeline.accounts.faults import WrongNameError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{2,63}")
_INSTITUTION: Final = re.compile(r"[0-9A-Z]{10}")
_MAX_SHOWN: Final = 100
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz"


def folded(typed: str) -> str:
    """A sign-in name as it is compared: full-width forms and capitals make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).casefold()).strip()


def sign_in_name(typed: str) -> str:
    """The name an account is kept under. Raises ``WrongNameError``.

    Folded it must be of ASCII, so that no other letter can look like one of it.
    """
    name = folded(typed)
    if not _NAME.fullmatch(name):
        raise WrongNameError(
            "帳號須為 3 至 64 個英文字母、數字或 . _ @ + -，並以字母或數字開頭",
            "A name is 3 to 64 letters a-z, digits or . _ @ + -, and begins with a letter or digit",
        )
    return name


def shown_name(given: str) -> str:
    """A name for people to read, in any script. Raises ``WrongNameError``."""
    name = unicodedata.normalize("NFC", given).strip()
    if not name or len(name) > _MAX_SHOWN or not name.isprintable():
        raise WrongNameError(
            f"名稱須為 1 至 {_MAX_SHOWN} 個可顯示的字", f"A name is 1 to {_MAX_SHOWN} characters"
        )
    return name


def institution_code(given: str) -> str:
    """An institution's code, ten digits and capital letters. Raises ``WrongNameError``."""
    if not _INSTITUTION.fullmatch(given):
        raise WrongNameError(
            "醫事機構代碼須為 10 碼", "An institution code is ten digits and capital letters"
        )
    return given


def new_id(length: int = 16) -> str:
    """A random id of letters alone, so that nothing in it looks like a person's id."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def hashed(secret: str) -> str:
    """SHA-256 in hexadecimal: enough for secrets of 256 random bits, and for nothing guessable."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same_secret(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that doesn't tell where they differ."""
    return compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )

"""Files in an AES-256 encrypted zip (WinZip's AE-2), and the passwords that are worth it.

WinZip derives its key with 1,000 rounds of PBKDF2, so whoever has the file tries some hundred
thousand passwords a second: only the password's own strength keeps it shut.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pyzipper
from pyzipper.zipfile_aes import AESZipInfo

from pipeline.taipei import TAIPEI

MOST_PASSWORD_CHARACTERS: Final = 99  # 7-Zip takes no more


def typeable(password: str) -> bool:
    """Whether every program that opens such a zip takes the password: short, printable ASCII."""
    fits = 0 < len(password) <= MOST_PASSWORD_CHARACTERS
    return fits and password.isascii() and password.isprintable()


def encrypted_zip(files: Mapping[str, bytes], password: str, moment: datetime) -> bytes:
    """The files (name → bytes) as a zip that ``password`` opens, each dated ``moment`` (aware).

    The names inside stay readable without it, so they must tell nothing of a person.
    """
    packed = io.BytesIO()
    dated = moment.astimezone(TAIPEI).timetuple()[:6]
    with pyzipper.AESZipFile(packed, "w") as pack:
        pack.setpassword(password.encode())
        pack.setencryption(pyzipper.WZ_AES, nbits=256)
        for name, data in files.items():
            pack.writestr(AESZipInfo(name, dated), data, pyzipper.ZIP_DEFLATED)
    return packed.getvalue()

"""Which passwords an encrypted download may have.

A random one by default. A chosen one must be as strong as a sign-in's, since a zip can be tried at
leisure. The insurer's present way, the person's own id (document 001), falls within minutes (a
letter, a digit of two, seven digits and a check digit are some 28 bits); it is taken only where the
operator set ``NHI_UPLOAD_ID_AS_PASSWORD=1``, and always with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from pipeline.accounts.faults import WeakPasswordError
from pipeline.accounts.passwords import random_password, require_strong
from pipeline.kernels.checksum import PERSON_WEIGHTS, person_values
from pipeline.report.encrypted import MOST_PASSWORD_CHARACTERS, typeable
from pipeline.settings import Settings

ID_WARNING_ZH: Final = "以身分證號為密碼的壓縮檔數分鐘內就可能被猜中，請改用系統產生的密碼。"
ID_WARNING: Final = (
    "A zip whose password is an id may be guessed within minutes. Keep it on a safe computer only, "
    "and rather use the password made for you."
)
OPERATOR_WARNING: Final = (
    "NHI_UPLOAD_ID_AS_PASSWORD=1：加密下載可用身分證號為密碼，數分鐘內就可能被猜中\n"
    "NHI_UPLOAD_ID_AS_PASSWORD=1: an encrypted download may have a person's id as its password, "
    "which may be guessed within minutes"
)
_PERSON_ID: Final = re.compile(r"[A-Z][1289A-D][0-9]{8}")


class ZipPassword(NamedTuple):
    """A password that was taken. ``kind`` tells where it comes from; ``made`` ones are shown once,
    ``id`` ones with ``ID_WARNING``."""

    text: str
    kind: Literal["made", "chosen", "id"]


def zip_password(chosen: str | None, settings: Settings, known: Sequence[str]) -> ZipPassword:
    """The password of a zip: a random one for ``None``, else the chosen one if it may be.

    ``known`` are words that must not carry it, such as names. Raises ``WeakPasswordError``.
    """
    if chosen is None:
        return ZipPassword(random_password(), "made")
    if not typeable(chosen):
        raise WeakPasswordError(
            f"密碼請用英文字母、數字與符號，1 至 {MOST_PASSWORD_CHARACTERS} 字，"
            "否則有些解壓縮程式打不開。",
            f"Use letters, digits and signs of ASCII, at most {MOST_PASSWORD_CHARACTERS}: some "
            "programs can't open it otherwise.",
        )
    if settings.id_as_password and is_person_id(chosen):
        return ZipPassword(chosen, "id")
    require_strong(chosen, known)
    return ZipPassword(chosen, "chosen")


def is_person_id(text: str) -> bool:
    """Whether a text is a national or resident id with the right check digit."""
    if not _PERSON_ID.fullmatch(text):
        return False
    values = person_values()
    total = sum(
        int(PERSON_WEIGHTS[place]) * int(values[place, ord(c)]) for place, c in enumerate(text)
    )
    return total % 10 == 0

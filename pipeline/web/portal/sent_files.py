"""Files that a form carries: kept in memory within the bounds of a request, never on disk."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pipeline.ingest.unpack import Payload, read_gzip, read_plain, read_zip
from pipeline.limits import Limits
from pipeline.web.house import House
from pipeline.web.identity import CSRF_FIELD, PageSession, check_csrf
from pipeline.web.portal.forms import Form, require_utf8
from pipeline.web.problems import Problem

MOST_FILES: Final = 50
_MOST_NAME: Final = 200
_MEGABYTE: Final = 1 << 20
_ZIP: Final = b"PK"
_GZIP: Final = b"\x1f\x8b"


class _InMemory(MultiPartParser):
    """Visit records must not be left on a disk by accident; ``BoundedBody`` bounds their size."""

    spool_max_size = 1 << 40


@dataclass(frozen=True)
class FormWithFiles(Form):
    """A form with the files that were chosen in it."""

    @property
    def files(self) -> list[UploadFile]:
        """The files of the field ``file``; browsers send an empty one for none."""
        found = self.fields.getlist("file")
        return [one for one in found if isinstance(one, UploadFile) and (one.filename or one.size)]


async def signed_files(request: Request, session: PageSession) -> AsyncIterator[FormWithFiles]:
    """A form with files, of who is signed in; its files are closed after the answer.

    A script's token is in a header and looked at before the files come. Raises ``Problem``.
    """
    header = request.headers.get("x-csrf-token")
    if header is not None:
        check_csrf(session, header)
    require_utf8(request)
    try:
        fields = await _InMemory(
            request.headers, request.stream(), max_files=MOST_FILES, max_fields=20
        ).parse()
    except (MultiPartException, KeyError):
        raise Problem("bad-request") from None
    try:
        if header is None:
            check_csrf(session, fields.get(CSRF_FIELD))
        yield FormWithFiles(session, fields)
    finally:
        await fields.close()


def payloads_of(file: UploadFile, limits: Limits) -> Iterator[Payload]:
    """The uploads of a file: one, or of a zip every file in it. Blocking."""
    opened, name = file.file, shown_file_name(file.filename)
    head = opened.read(len(_ZIP))
    opened.seek(0)
    if head == _ZIP:
        yield from read_zip(opened, name, limits)
    elif head == _GZIP:
        yield read_gzip(opened, name, limits)
    else:
        yield read_plain(opened, name, limits)


def most_text(house: House) -> str:
    """How large a file may be."""
    most = house.settings.limits.upload_bytes
    return f"{most // _MEGABYTE:,} MB" if most >= _MEGABYTE else f"{most:,} bytes"


def shown_file_name(name: str | None) -> str:
    """A file's own name without folders and without what can't be shown."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name or ""))[-1]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in last)[:_MOST_NAME]

"""Files named on a command line, or standard input, → uploads."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence

from pipeline.ingest import find_files, read_uploads
from pipeline.limits import Limits
from pipeline.unpack import Payload, read_gzip, read_plain, read_zip

STDIN = "-"


def inputs(files: Sequence[str], limits: Limits) -> Iterator[Payload]:
    """The uploads of files in their order; ``-`` is standard input, packed or plain."""
    for file in files:
        if file == STDIN:
            yield from _standard_input(limits)
        else:
            for found in find_files([file]):
                yield from read_uploads(found, limits)


def _standard_input(limits: Limits) -> Iterator[Payload]:
    given = io.BytesIO(sys.stdin.buffer.read(limits.upload_bytes + 1))
    start = given.getvalue()[:4]
    if start.startswith(b"PK"):
        yield from read_zip(given, STDIN, limits)
    elif start.startswith(b"\x1f\x8b"):
        yield read_gzip(given, STDIN, limits)
    else:
        yield read_plain(given, STDIN, limits)

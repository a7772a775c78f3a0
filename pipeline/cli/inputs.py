"""Files named on a command line, or standard input, → uploads."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence

import click

from pipeline.ingest.ingest import find_files, read_uploads
from pipeline.ingest.unpack import RATIO_FREE_BYTES, Payload, read_gzip, read_plain, read_zip
from pipeline.limits import Limits

STDIN = "-"


def inputs(files: Sequence[str], limits: Limits) -> Iterator[Payload]:
    """The uploads of files in their order; ``-`` is standard input, packed or plain.

    Raises ``click.UsageError`` for a folder without any: nothing checked is not all well.
    """
    for file in files:
        if file == STDIN:
            yield from _standard_input(limits)
        else:
            found = None
            for found in find_files([file]):
                yield from read_uploads(found, limits)
            if found is None:
                raise click.UsageError(f"資料夾裡沒有上傳檔 no upload files in the folder: {file}")


def _standard_input(limits: Limits) -> Iterator[Payload]:
    read = sys.stdin.buffer.read
    data = read(limits.upload_bytes + RATIO_FREE_BYTES + 1)
    if data.startswith(b"PK"):  # only each of its uploads is limited
        yield from read_zip(io.BytesIO(data + read()), STDIN, limits)
        return
    given = io.BytesIO(data)
    if data.startswith(b"\x1f\x8b"):
        yield read_gzip(given, STDIN, limits)
    else:
        yield read_plain(given, STDIN, limits)

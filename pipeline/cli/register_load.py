"""``nhi-upload register load``: files of card registrations into a store."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Moment, now, store_option, store_uri_of
from pipeline.register.limits import REGISTER_LIMITS
from pipeline.settings import Settings
from pipeline.version import ENGINE

if TYPE_CHECKING:  # importing the engine compiles it, which is to be announced first
    from pipeline.registrations import Loaded, SentFile
    from pipeline.report.register_words import FileAnswer, Received

_STDIN = "-"


@click.command("load", short_help="收下註冊檔 take registration files into a store")
@click.argument(
    "files", nargs=-1, required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)  # fmt: skip
@store_option
@click.option("--name", help="檔名（標準輸入或改過名的檔案）the file's name, if it is another.")
@click.option("--received-at", type=Moment(), help="收件時間 moment of receipt; default: now.")
@click.option("--format", "shape", type=click.Choice(["text", "csv", "json"]), default="text")
@click.option(
    "--details", type=click.IntRange(0), default=10, help="text：每種原因列出幾列 rows a reason."
)
@click.option("--strict", is_flag=True, help="結束碼同 register check exit as register check does.")
@click.pass_obj
def load(
    settings: Settings, files: tuple[str, ...], store_uri: str | None, name: str | None,
    received_at: datetime | None, shape: str, details: int, strict: bool,
) -> int:  # fmt: skip
    """收下整批註冊檔：存檔、檢核、寫入資料表、開立回條。Take files of card registrations in, whole.

    成功的列寫入 registrations；同一投保單位同一人以最後收到的列為準。Good rows go to the table
    registrations, where a unit's last row of a person replaces the one before.
    重送同名同內容的檔案不會改變任何資料。The same file sent again changes nothing.

    \b
    Examples:
      nhi-upload register load 11000000120150807.CSV --store ./store
      nhi-upload register load *.CSV --store ./store --format json | jq '.upload_id, .counts'
      nhi-upload receipt 01JAB… --store ./store --format csv > reasons.csv
    """
    if name is not None and len(files) > 1:
        raise click.UsageError("--name 只能用於一個檔案 --name goes with one file")
    uri, worst = store_uri_of(store_uri, settings), 0

    def seen() -> Iterator[tuple[FileAnswer, Received, str | None]]:
        nonlocal worst
        for loaded in _loaded(settings, uri, files, name, received_at):
            answer, received = _answer(uri, loaded)
            worst = max(worst, answer.worst)
            yield answer, received, loaded.sha256

    _write(seen(), shape, details)
    return worst if strict else 0


def _loaded(
    settings: Settings,
    uri: str,
    files: Iterable[str],
    name: str | None,
    received_at: datetime | None,
) -> Iterator[Loaded]:
    """The files one after the other, each once it is durable."""
    from pipeline.cli.cold_start import compile_if_cold

    compile_if_cold()
    from pipeline.intake.recovery import open_settled
    from pipeline.registrations import SentFile, load_registrations
    from rules import load_plan
    from rules.registrations import load_registration_plan

    def sent() -> Iterator[SentFile]:
        for file in files:
            yield SentFile(name or file, read_file(file), received_at or now())

    with open_settled(
        uri, load_plan(), utf8=settings.allow_utf8, limits=settings.limits, waiting=_tell
    ) as store:
        yield from load_registrations(store, sent(), load_registration_plan())


def _answer(uri: str, loaded: Loaded) -> tuple[FileAnswer, Received]:
    """The answer to a file and its receipt; to a redelivery, that of the first time."""
    from pipeline.cli.stored import registration_from_store
    from pipeline.register.check import Checked
    from pipeline.report.register_words import Received

    if isinstance(loaded.answer, Checked):
        return loaded.answer, Received(loaded.upload_id)
    stored = registration_from_store(uri, loaded.upload_id)
    assert stored is not None  # noqa: S101
    return stored.answer, stored.received


def _write(
    answers: Iterator[tuple[FileAnswer, Received, str | None]], shape: str, details: int
) -> None:
    """As ``register check`` writes them, with the upload id: for csv, on standard error."""
    from pipeline.cli.console import console
    from pipeline.report.register_csv import register_csv
    from pipeline.report.register_json import register_json
    from pipeline.report.register_text import show_registration

    if shape == "csv":
        for piece in register_csv(_named(answers)):
            sys.stdout.buffer.write(piece)
        return
    screen = console()
    for answer, received, digest in answers:
        if shape == "json":
            sys.stdout.buffer.write(register_json(answer, digest, ENGINE, received))
        else:
            show_registration(answer, screen, details, received)


def _named(answers: Iterator[tuple[FileAnswer, Received, str | None]]) -> Iterator[FileAnswer]:
    """The answers, each with its upload id told on the way."""
    from pipeline.report.masking import without_ids
    from pipeline.report.printable import printable

    for answer, received, _ in answers:
        _tell(f"{received.upload_id}  {printable(without_ids(answer.name))}")
        yield answer


def _tell(message: str) -> None:
    click.echo(message, err=True)


def read_file(file: str) -> bytes:
    """The bytes of a file, and one more than it may have where it has more.

    Raises ``click.UsageError`` for one that can't be read.
    """
    most = REGISTER_LIMITS.file_bytes + 1
    if file == _STDIN:
        return sys.stdin.buffer.read(most)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise click.UsageError(f"檔案無法讀取 can't be read: {file!r} ({error.strerror})") from None

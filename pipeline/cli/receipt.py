"""``nhi-upload receipt``: the answer to a stored upload again."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import store_option, store_uri_of
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI

if TYPE_CHECKING:
    from pipeline.report.answer import Answer
    from pipeline.report.error_csv import CsvEncoding
    from pipeline.stored import Registration

_SUFFIXES = {"text": "txt", "csv": "csv", "json": "json"}


@click.command("receipt", short_help="重印回條 print the receipt of a stored upload again")
@click.argument("upload_id")
@store_option
@click.option("--format", "shape", type=click.Choice(["text", "csv", "json"]), default="text")
@click.option("--encoding", type=click.Choice(["utf-8", "big5"]), default="utf-8", help="csv only.")
@click.option(
    "--zip",
    "zip_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="寫成 AES 加密的 zip write an AES encrypted zip.",
)
@click.option("--password-prompt", is_flag=True, help="詢問密碼 ask for the password of the zip.")
@click.pass_obj
def command(
    settings: Settings,
    upload_id: str,
    store_uri: str | None,
    shape: str,
    encoding: CsvEncoding,
    zip_file: Path | None,
    password_prompt: bool,
) -> int:
    """重印一個上傳的回條。Print the receipt of a stored upload again.

    text 是健保署的版面（Big5）。The text form is the insurer's own layout, in Big5.
    健保卡註冊檔的回條同 register check（UTF-8）。
    Files of card registrations are answered as by register check.

    \b
    Examples:
      nhi-upload receipt 01JAB… --store ./store > receipt.txt
      nhi-upload receipt 01JAB… --store ./store --format csv > errors.csv
      nhi-upload receipt 01JAB… --store ./store --zip receipt.zip --password-prompt
    """
    from pipeline.cli.cold_start import compile_if_cold

    uri = store_uri_of(store_uri, settings)
    if password_prompt and zip_file is None:
        raise click.UsageError("--password-prompt 須與 --zip 併用 goes with --zip")
    compile_if_cold()
    from pipeline.cli.stored import answer_from_store, registration_from_store

    registration = registration_from_store(uri, upload_id)
    if registration is not None:
        data = _registration_written(registration, shape, encoding)
    else:
        data = _written(answer_from_store(uri, upload_id, settings), shape, encoding)
    if zip_file is None:
        _print(data, "cp950" if shape == "text" and registration is None else None)
        return 0
    from pipeline.report.encrypted import encrypted_zip

    names = {f"{upload_id}.{_SUFFIXES[shape]}": data}
    password = _password(password_prompt, settings)
    zip_file.write_bytes(encrypted_zip(names, password, datetime.now(TAIPEI)))
    click.echo(f"已寫入 written: {zip_file}", err=True)
    return 0


def _print(data: bytes, codec: str | None) -> None:
    """The bytes as they are; on a terminal, which rarely speaks it, what is in a codec as text."""
    if codec is not None and sys.stdout.isatty():
        click.echo(data.decode(codec), nl=False)
    else:
        sys.stdout.buffer.write(data)


def _written(answer: Answer, shape: str, encoding: CsvEncoding) -> bytes:
    from pipeline.report.error_csv import error_csv
    from pipeline.report.receipt import receipt
    from pipeline.report.verdict_json import verdict_json

    if shape == "csv":
        return error_csv([answer], encoding)
    return verdict_json(answer) if shape == "json" else receipt(answer)


def _registration_written(stored: Registration, shape: str, encoding: CsvEncoding) -> bytes:
    from pipeline.report.big5 import big5
    from pipeline.report.register_csv import register_csv
    from pipeline.report.register_json import register_json
    from pipeline.report.register_text import registration_text

    if shape == "text":
        return registration_text(stored.answer, stored.received)
    if shape == "json":
        return register_json(stored.answer, stored.sha256, stored.engine, stored.received)
    written = b"".join(register_csv([stored.answer]))
    return written if encoding == "utf-8" else big5(written.decode("utf-8-sig"))


def _password(prompt: bool, settings: Settings) -> str:
    """What the user types; a random secret, told once, where that is nothing or none is asked."""
    from pipeline.accounts.faults import WeakPasswordError
    from pipeline.web.zip_passwords import ID_WARNING, ID_WARNING_ZH, zip_password

    typed = ""
    if prompt:
        typed = click.prompt(
            "密碼（空白則產生一組）Password (empty for a random one)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=True,
            err=True,
        )
    try:
        password = zip_password(typed or None, settings, ())
    except WeakPasswordError as weak:
        raise click.UsageError(f"{weak.message_zh}\n{weak.message_en}") from None
    if password.kind == "made":
        click.echo(f"密碼（只顯示這一次）password, shown this once: {password.text}", err=True)
    if password.kind == "id":
        click.echo(f"{ID_WARNING_ZH}\n{ID_WARNING}", err=True)
    return password.text

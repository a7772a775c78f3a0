"""``nhi-upload register``: files of card registrations (document 002)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Moment, now
from pipeline.cli.register_load import load, read_file
from pipeline.outcome import Envelope
from pipeline.register.limits import REGISTER_LIMITS
from pipeline.version import ENGINE

if TYPE_CHECKING:  # importing the engine compiles it, which is to be announced first
    from pipeline.register.check import Checked


@click.group("register", short_help="健保卡整批註冊檔 files of card registrations")
def command() -> None:
    """投保單位員工健保卡整批註冊。Files by which an insured unit registers cards in batch.

    \b
    Examples:
      nhi-upload register check 11000000120150807.CSV
      nhi-upload register load 11000000120150807.CSV --store ./store
      nhi-upload register rules R034
    """


@command.command("check", short_help="檢核註冊檔 check registration files")
@click.argument(
    "files", nargs=-1, required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)  # fmt: skip
@click.option("--name", help="檔名（標準輸入或改過名的檔案）the file's name, if it is another.")
@click.option(
    "--as-of", type=Moment(), help="收件時間 moment of receipt; default: now, Asia/Taipei."
)
@click.option("--format", "shape", type=click.Choice(["text", "csv", "json"]), default="text")
@click.option(
    "--details", type=click.IntRange(0), default=10, help="text：每種原因列出幾列 rows a reason."
)
def check(
    files: tuple[str, ...], name: str | None, as_of: datetime | None, shape: str, details: int
) -> int:
    """檢核整批註冊檔的檔名與內容。Check the name and the rows of files of card registrations.

    檔名 name: 投保單位代號＋YYYYMMDD.CSV；欄位 columns: 身分證號,電子郵件,電話（可空白 optional）。
    編碼 Big5 或 UTF-8。csv 不遮蔽個資，供投保單位自己改正。The csv shows values in clear, for the
    unit itself; text and json mask them.

    結束碼 exit code: 0 全部接受 accepted, 1 有列退回 rows rejected, 2 整檔退回 file rejected.

    \b
    Examples:
      nhi-upload register check 11000000120150807.CSV
      nhi-upload register check *.CSV --format json | jq '.counts'
      nhi-upload register check 11000000120150807.CSV --format csv > reasons.csv
      cat rows.csv | nhi-upload register check - --name 11000000120150807.CSV
    """
    if name is not None and len(files) > 1:
        raise click.UsageError("--name 只能用於一個檔案 --name goes with one file")
    answers = _answers(files, name, as_of or now())
    if shape == "csv":
        return _write_csv(answers)
    return _write_json(answers) if shape == "json" else _write_text(answers, details)


@command.command("rules", short_help="註冊檔的規則 the rules on registration files")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--format", "shape", type=click.Choice(["text", "json", "markdown"]), default="text")
def show_rules(codes: tuple[str, ...], shape: str) -> int:
    """列出註冊檔的規則。List the rules on registration files, or those of a code.

    \b
    Examples:
      nhi-upload register rules
      nhi-upload register rules R034 --format json
      nhi-upload register rules --format markdown > docs/REGISTRATIONS.md
    """
    import orjson

    from pipeline.cli.console import console
    from pipeline.report.register_rules import (
        code_of,
        registration_page,
        rules_of_codes,
        tell_rules,
    )
    from pipeline.report.rule_page import whole_rule_json
    from rules import load_rules
    from rules.registrations import registration_catalogue

    every = load_rules(registration_catalogue())
    known = {rule.current.code for rule in every}
    if unknown := [code for code in codes if code_of(code) not in known]:
        raise click.UsageError(f"沒有這個代碼 no such code: {'、'.join(unknown)}")
    chosen = rules_of_codes(every, codes) if codes else list(every)
    if shape == "markdown":
        click.echo(registration_page(chosen), nl=False)
    elif shape == "json":
        for rule in chosen:
            click.echo(orjson.dumps(whole_rule_json(rule)))
    else:
        tell_rules(chosen, console())
    return 0


command.add_command(load)


@dataclass
class _Worst:
    """The worst exit code so far."""

    code: int = 0

    def seen(self, checked: Checked) -> Checked:
        self.code = max(self.code, checked.worst)
        return checked


def _answers(
    files: Iterable[str], name: str | None, received_at: datetime
) -> Iterator[tuple[Checked, str | None]]:
    """The answer to each file, and its SHA-256 unless it is too large."""
    from pipeline.cli.cold_start import compile_if_cold

    compile_if_cold()
    from pipeline.register.check import check_registration
    from rules.registrations import load_registration_plan

    for file in files:
        payload = read_file(file)
        envelope = Envelope(received_at, name=name or file)
        checked = check_registration(payload, envelope, load_registration_plan())
        whole = len(payload) <= REGISTER_LIMITS.file_bytes
        yield checked, sha256(payload).hexdigest() if whole else None


def _write_json(answers: Iterator[tuple[Checked, str | None]]) -> int:
    from pipeline.report.register_json import register_json

    worst = _Worst()
    for checked, digest in answers:
        sys.stdout.buffer.write(register_json(worst.seen(checked), digest, ENGINE))
    return worst.code


def _write_csv(answers: Iterator[tuple[Checked, str | None]]) -> int:
    from pipeline.report.register_csv import register_csv

    worst = _Worst()
    for piece in register_csv(worst.seen(checked) for checked, _ in answers):
        sys.stdout.buffer.write(piece)
    return worst.code


def _write_text(answers: Iterator[tuple[Checked, str | None]], details: int) -> int:
    from pipeline.cli.console import console
    from pipeline.report.register_text import show_registration

    worst, screen = _Worst(), console()
    for checked, _ in answers:
        show_registration(worst.seen(checked), screen, details)
    return worst.code

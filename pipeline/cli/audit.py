"""``nhi-upload audit``: the log of who did what, and whether it is whole."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.accounts_at import accounts_of, say
from pipeline.cli.options import Institution, Moment, shape_option, store_option
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.accounts.audit_check import Head
    from pipeline.accounts.audit_row import AuditRow


@click.group("audit", short_help="稽核紀錄 the audit log")
def command() -> None:
    """稽核紀錄：只能新增，每一列含前一列的雜湊。The audit log: append-only and hash-chained.

    \b
    Examples:
      nhi-upload audit list --store ./store
      nhi-upload audit head --store ./store
      nhi-upload audit verify --head 5feceb66…:1204 --store ./store
    """


@command.command("verify")
@click.option(
    "--head", "heads", multiple=True, metavar="HASH:NUMBER",
    help="先前以 audit head 留存的，須在其中 one printed earlier; it must be in the log.",
)  # fmt: skip
@store_option
@shape_option
@click.pass_obj
def verify(settings: Settings, heads: tuple[str, ...], store_uri: str | None, shape: str) -> int:
    """重算整條雜湊鏈；不符時回傳 70。Recompute the chain; exit code 70 when something is wrong.

    沒有留存的 head，就看不出尾端被截去或全部被改寫。
    Without a head that was kept elsewhere, neither a cut tail nor a log written anew shows.

    \b
    Examples:
      nhi-upload audit verify --store ./store
      nhi-upload audit verify --head 5feceb66…:1204 --format json
    """
    from pipeline.accounts.audit_check import WORDS
    from pipeline.cli import OUR_FAULT

    kept = [_head(text) for text in heads]
    with accounts_of(settings, store_uri) as accounts:
        found = accounts.audit.verify(*kept)
    said: dict[str, object] = {"ok": found.ok, "rows": found.head.number, "head": str(found.head)}
    if found.wrong is None:
        say(shape, said, f"✓ {found.head.number:,} 列完好 rows are whole\n  head {found.head}")
        return 0
    zh, en = WORDS[found.wrong.why]
    said |= {"wrong_row": found.wrong.number, "why": found.wrong.why}
    say(shape, said, f"✗ 第 {found.wrong.number:,} 列：{zh} row {found.wrong.number:,}: {en}")
    return OUR_FAULT


@command.command("head")
@store_option
@click.pass_obj
def head(settings: Settings, store_uri: str | None) -> int:
    """印出最後一列的雜湊與列號，請留存他處。Print the end of the chain: keep it elsewhere.

    \b
    Examples:
      nhi-upload audit head --store ./store >> /somewhere/else/heads.txt
    """
    with accounts_of(settings, store_uri) as accounts:
        click.echo(str(accounts.audit.head()))
    return 0


@command.command("list")
@click.option("--who", metavar="ID", help="帳號或金鑰 an account's or key's id (key:…).")
@click.option("--action", metavar="ACTION", help="如 download such as download.")
@click.option("--object", "thing", metavar="ID", help="如上傳編號 such as an upload id.")
@click.option("--institution", type=Institution(), help="機構 whose.")
@click.option("--from", "first", type=Moment(), metavar="DATE", help="自 since.")
@click.option("--to", "last", type=Moment(), metavar="DATE", help="至 until.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@store_option
@shape_option
@click.pass_obj
def list_rows(
    settings: Settings, who: str | None, action: str | None, thing: str | None,
    institution: str | None, first: datetime | None, last: datetime | None, limit: int,
    store_uri: str | None, shape: str,
) -> int:  # fmt: skip
    """列出紀錄，最新的在前。Rows, the last first.

    \b
    Examples:
      nhi-upload audit list --store ./store --limit 20
      nhi-upload audit list --action sign-in.refused --from 2026-03-20 --format json
    """
    with accounts_of(settings, store_uri) as accounts:
        rows = accounts.audit.rows(
            who=who, action=action, object=thing, institution=institution, first=first, last=last,
            limit=limit,
        )  # fmt: skip
    for row in rows:
        say(shape, _fields(row), _line(row))
    if not rows and shape == "text":
        click.echo("沒有符合的紀錄 nothing was found")
    return 0


def _head(text: str) -> Head:
    from pipeline.accounts.audit_check import Head as HeadOf

    try:
        return HeadOf.parse(text)
    except ValueError:
        raise click.UsageError(
            f"{text!r} 不是 audit head 印出的 HASH:NUMBER is not what audit head prints"
        ) from None


def _line(row: AuditRow) -> str:
    from pipeline.accounts.actions import action_words

    zh, en = action_words(row.action)
    detail = "" if row.detail == "{}" else f"  {row.detail}"
    return (
        f"{row.number:>6}  {row.moment:%Y-%m-%d %H:%M:%S}  {row.who}  {zh} {en}  "
        f"{row.object}  {row.institution or '-'}{detail}"
    )


def _fields(row: AuditRow) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(row) | {"detail": row.details}

"""``nhi-upload account key``: API keys of software vendors and clinics."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from pipeline.cli.accounts_at import accounts_of, me, say
from pipeline.cli.options import Institution, Moment, now, shape_option, store_option
from pipeline.settings import Settings


@click.group("key", short_help="API 金鑰 API keys")
def keys() -> None:
    """API 金鑰：資訊廠商或院所的程式以此上傳。What software sends uploads with.

    \b
    Examples:
      nhi-upload account key create "HIS vendor" --institution 3501200000 --store ./store
      nhi-upload account key list --store ./store
      nhi-upload account key revoke abcdefgh --store ./store
    """


@keys.command("create")
@click.argument("name", metavar="NAME")
@click.option(
    "--institution", "institutions", type=Institution(), multiple=True, required=True,
    help="代表的機構，可給多家 whom it speaks for; may be given again.",
)  # fmt: skip
@click.option("--expires", type=Moment(), metavar="DATE", help="到期日 when it ends; else never.")
@store_option
@click.pass_obj
def create(
    settings: Settings, name: str, institutions: tuple[str, ...], expires: datetime | None,
    store_uri: str | None,
) -> int:  # fmt: skip
    """建立金鑰，只顯示這一次。Make a key, which is shown only now.

    \b
    Examples:
      nhi-upload account key create "HIS vendor" --institution 3501200000 --store ./store
      nhi-upload account key create 測試 --institution 3501200000 --expires 2027-01-01
    """
    if expires is not None and expires <= now():
        raise click.UsageError("到期日已過 --expires is in the past")
    with accounts_of(settings, store_uri) as accounts:
        text = accounts.create_key(me(), institutions, name, expires_at=expires)
    click.echo("金鑰，只顯示這一次 the key, shown only now:", err=True)
    click.echo(text)
    return 0


@keys.command("list")
@click.option("--institution", type=Institution(), help="只列一家機構 of one institution.")
@store_option
@shape_option
@click.pass_obj
def list_keys(
    settings: Settings, institution: str | None, store_uri: str | None, shape: str
) -> int:
    """列出金鑰。All keys, the newest first; never their secrets.

    \b
    Examples:
      nhi-upload account key list --store ./store
      nhi-upload account key list --institution 3501200000 --format json
    """
    with accounts_of(settings, store_uri) as accounts:
        found = accounts.keys(me(), institution)
    for key in found:
        used = f"{key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "-"
        state = "" if key.works(now()) else "已撤銷 revoked" if key.revoked_at else "到期 expired"
        spoken = ",".join(sorted(key.institutions)[:3])
        more = f" +{len(key.institutions) - 3}" if len(key.institutions) > 3 else ""
        line = f"{key.id}  {used:<16}  {spoken}{more}  {key.name}  {state}"
        say(shape, asdict(key), line.rstrip())
    if not found and shape == "text":
        click.echo("沒有金鑰 there are none")
    return 0


@keys.command("revoke")
@click.argument("key_id", metavar="KEY-ID")
@store_option
@click.pass_obj
def revoke(settings: Settings, key_id: str, store_uri: str | None) -> int:
    """撤銷金鑰，立即失效。End a key at once; the eight letters behind ``nhi_`` name it.

    \b
    Examples:
      nhi-upload account key revoke abcdefgh --store ./store
    """
    with accounts_of(settings, store_uri) as accounts:
        accounts.revoke_key(me(), key_id)
    click.echo(f"已撤銷 revoked: {key_id}")
    return 0

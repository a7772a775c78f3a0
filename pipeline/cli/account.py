"""``nhi-upload account``: who may sign in, API keys, bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.account_bindings import bind, bindings, unbind
from pipeline.cli.account_keys import keys
from pipeline.cli.accounts_at import accounts_of, me, say
from pipeline.cli.options import Institution, shape_option, store_option
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.accounts.people import Account
    from pipeline.accounts.who import Role

_name = click.argument("name", metavar="NAME")
_issuer = click.option("--issuer", required=True, help="提供者網址 the provider's URL.")
_subject = click.option("--subject", required=True, help="該人員的 sub the person's sub there.")
_ask = click.option("--ask", is_flag=True, help="自行輸入密碼 type a password; else one is made.")


@click.group("account", short_help="帳號、API 金鑰、綁定 accounts, API keys, bindings")
def command() -> None:
    """網頁服務的帳號、API 金鑰、憑證與網段的綁定。Who may use the web service, and for whom.

    密碼與金鑰只顯示一次，資料庫只存雜湊。Passwords and keys are shown once and kept hashed.

    \b
    Examples:
      nhi-upload account create amy --role clinic --institution 3501200000 --store ./store
      nhi-upload account key create "HIS vendor" --institution 3501200000 --store ./store
      nhi-upload account list --store ./store
    """


@command.command("create")
@_name
@click.option(
    "--role", type=click.Choice(["clinic", "insurer", "auditor"]), required=True,
    help="院所、保險人、稽核 of a clinic, of the insurer, or who also reads the audit log.",
)  # fmt: skip
@click.option(
    "--institution", type=Institution(), help="院所的機構代碼 of a clinic: its institution."
)
@click.option("--display", metavar="TEXT", help="顯示的名稱 the name that is shown.")
@_ask
@click.option(
    "--no-password", is_flag=True, help="只以機關帳號登入 only by the insurer's provider."
)
@store_option
@click.pass_obj
def create(
    settings: Settings, name: str, role: Role, institution: str | None, display: str | None,
    ask: bool, no_password: bool, store_uri: str | None,
) -> int:  # fmt: skip
    """建立帳號；密碼由系統產生，第一次登入時須更換。Make an account, with a password made for it.

    \b
    Examples:
      nhi-upload account create amy --role clinic --institution 3501200000 --display 王小姐
      nhi-upload account create b.chen --role auditor --no-password
    """
    with accounts_of(settings, store_uri) as accounts:
        password = None if no_password else _password(ask)
        account = accounts.create_account(
            me(), name, role=role, institution=institution, display=display, password=password,
            must_change_password=not ask,
        )  # fmt: skip
    click.echo(f"已建立帳號 account created: {account.name}")
    _show_once(None if ask else password)
    return 0


@command.command("list")
@click.option("--institution", type=Institution(), help="只列一家機構 of one institution.")
@store_option
@shape_option
@click.pass_obj
def list_accounts(
    settings: Settings, institution: str | None, store_uri: str | None, shape: str
) -> int:
    """列出帳號。All accounts, by name.

    \b
    Examples:
      nhi-upload account list --store ./store
      nhi-upload account list --institution 3501200000 --format json
    """
    with accounts_of(settings, store_uri) as accounts:
        found = accounts.all_accounts(institution=institution)
    for account in found:
        say(shape, _fields(account), _line(account))
    if not found and shape == "text":
        click.echo("沒有帳號；請以 account create 建立 there are none; account create makes one")
    return 0


@command.command("show")
@_name
@store_option
@shape_option
@click.pass_obj
def show(settings: Settings, name: str, store_uri: str | None, shape: str) -> int:
    """查看一個帳號。One account, and the identities linked to it.

    \b
    Examples:
      nhi-upload account show amy --store ./store
    """
    with accounts_of(settings, store_uri) as accounts:
        account = accounts.account(name)
        linked = [f"{one.issuer} {one.subject}" for one in accounts.identities(name)]
    lines = [
        _line(account),
        f"  id {account.id}",
        f"  建立 created {account.created_at:%Y-%m-%d %H:%M} by {account.created_by}",
        *(f"  機關帳號 identity {one}" for one in linked),
    ]
    say(shape, _fields(account) | {"identities": linked}, "\n".join(lines))
    return 0


@command.command("disable")
@_name
@store_option
@click.pass_obj
def disable(settings: Settings, name: str, store_uri: str | None) -> int:
    """停用帳號；所有登入立即結束。Nobody signs in by it any more; its sessions end at once.

    該帳號建立的 API 金鑰仍有效，會列出。API keys it made still work, and are named.

    \b
    Examples:
      nhi-upload account disable amy --store ./store
    """
    with accounts_of(settings, store_uri) as accounts:
        account = accounts.disable(me(), name)
        made = [
            key for key in accounts.keys(me())
            if key.created_by == account.id and key.revoked_at is None
        ]  # fmt: skip
    click.echo(f"已停用 disabled: {account.name}")
    for key in made:
        click.echo(f"仍有效的 API 金鑰 an API key it made still works: {key.id}  {key.name}")
    return 0


@command.command("enable")
@_name
@store_option
@click.pass_obj
def enable(settings: Settings, name: str, store_uri: str | None) -> int:
    """啟用帳號，也解除密碼錯誤的鎖定。Undo disable; a lock after wrong passwords ends too.

    \b
    Examples:
      nhi-upload account enable amy --store ./store
    """
    with accounts_of(settings, store_uri) as accounts:
        account = accounts.enable(me(), name)
    click.echo(f"已啟用 enabled: {account.name}")
    return 0


@command.command("set-password")
@_name
@_ask
@store_option
@click.pass_obj
def set_password(settings: Settings, name: str, ask: bool, store_uri: str | None) -> int:
    """重設密碼；所有登入與鎖定結束。Set a new password; sessions and locks end.

    \b
    Examples:
      nhi-upload account set-password amy --store ./store
      nhi-upload account set-password amy --ask
    """
    with accounts_of(settings, store_uri) as accounts:
        accounts.account(name)
        password = _password(ask)
        account = accounts.set_password(me(), name, password, must_change_password=not ask)
    click.echo(f"已重設密碼 password set: {account.name}")
    _show_once(None if ask else password)
    return 0


@command.command("link")
@_name
@_issuer
@_subject
@store_option
@click.pass_obj
def link(settings: Settings, name: str, issuer: str, subject: str, store_uri: str | None) -> int:
    """連結機關帳號（OIDC），僅限保險人。Let somebody of the insurer's provider sign in.

    \b
    Examples:
      nhi-upload account link b.chen --issuer https://id.example.gov.tw --subject 1f6a
    """
    with accounts_of(settings, store_uri) as accounts:
        accounts.link_identity(me(), name, issuer, subject)
    click.echo(f"已連結 linked: {name}")
    return 0


@command.command("unlink")
@_name
@_issuer
@_subject
@store_option
@click.pass_obj
def unlink(settings: Settings, name: str, issuer: str, subject: str, store_uri: str | None) -> int:
    """取消連結機關帳號；所有登入結束。Undo link; their sessions end.

    \b
    Examples:
      nhi-upload account unlink b.chen --issuer https://id.example.gov.tw --subject 1f6a
    """
    with accounts_of(settings, store_uri) as accounts:
        accounts.unlink_identity(me(), name, issuer, subject)
    click.echo(f"已取消連結 unlinked: {name}")
    return 0


command.add_command(keys)
for _one in (bind, unbind, bindings):
    command.add_command(_one)


def _password(ask: bool) -> str:
    """A password typed twice, or a random one."""
    from pipeline.accounts.passwords import random_password

    if not ask:
        return random_password()
    typed: str = click.prompt(
        "密碼 password", hide_input=True, confirmation_prompt="再輸入一次 again", err=True
    )
    return typed


def _show_once(password: str | None) -> None:
    if password is not None:
        click.echo(f"密碼，只顯示這一次 its password, shown only now: {password}")


def _line(account: Account) -> str:
    state = "停用 disabled" if account.disabled_at else ""
    if account.locked_until and not state:
        state = f"鎖定至 locked until {account.locked_until:%m-%d %H:%M}"
    seen = f"{account.signed_in_at:%Y-%m-%d %H:%M}" if account.signed_in_at else "-"
    return "  ".join(
        (f"{account.name:<20}", f"{account.role:<8}", f"{account.institution or '-':<10}",
         f"{seen:<16}", account.display, state)
    ).rstrip()  # fmt: skip


def _fields(account: Account) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(account)

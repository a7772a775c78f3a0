"""``nhi-upload account bind``: what speaks for an institution on the insurer's own envelope."""

from __future__ import annotations

from dataclasses import asdict

import click

from pipeline.cli.accounts_at import accounts_of, me, say
from pipeline.cli.options import Institution, shape_option, store_option
from pipeline.settings import Settings

_institution = click.argument("institution", type=Institution())
_to = click.argument("value", metavar="FINGERPRINT|NETWORK")


@click.command("bind")
@_institution
@_to
@store_option
@click.pass_obj
def bind(settings: Settings, institution: str, value: str, store_uri: str | None) -> int:
    """開放 VNHI_Upload：以憑證指紋或網段代表機構。Let a certificate or network speak for one.

    保險人封裝的簽章無法在此驗證，所以未綁定的機構不能用該路徑。
    The signatures of the insurer's envelope can't be verified here, so it is off until bound.

    \b
    Examples:
      nhi-upload account bind 3501200000 192.0.2.16/28 --store ./store
      nhi-upload account bind 3501200000 3A:1F:…:9C --store ./store

    \b
    A certificate's fingerprint:
      openssl x509 -in clinic.pem -noout -fingerprint -sha256
    """
    with accounts_of(settings, store_uri) as accounts:
        made = accounts.bind(me(), institution, value)
        others = sorted(
            {one.institution for one in accounts.bindings() if one.value == made.value}
            - {institution}
        )
    click.echo(f"已綁定 bound: {institution}  {made.kind}  {made.value}")
    if others:
        click.echo(
            f"注意：同一{'憑證' if made.kind == 'certificate' else '網段'}也代表 "
            f"note: it speaks for others too: {', '.join(others)}",
            err=True,
        )
    return 0


@click.command("unbind")
@_institution
@_to
@store_option
@click.pass_obj
def unbind(settings: Settings, institution: str, value: str, store_uri: str | None) -> int:
    """解除綁定。Undo bind.

    \b
    Examples:
      nhi-upload account unbind 3501200000 192.0.2.16/28 --store ./store
    """
    with accounts_of(settings, store_uri) as accounts:
        accounts.unbind(me(), institution, value)
    click.echo(f"已解除 unbound: {institution}  {value}")
    return 0


@click.command("bindings")
@click.option("--institution", type=Institution(), help="只列一家機構 of one institution.")
@store_option
@shape_option
@click.pass_obj
def bindings(settings: Settings, institution: str | None, store_uri: str | None, shape: str) -> int:
    """列出綁定。All bindings, by institution.

    \b
    Examples:
      nhi-upload account bindings --store ./store
      nhi-upload account bindings --institution 3501200000 --format json
    """
    with accounts_of(settings, store_uri) as accounts:
        found = accounts.bindings(institution)
    for one in found:
        say(shape, asdict(one), f"{one.institution}  {one.kind:<11}  {one.value}")
    if not found and shape == "text":
        click.echo("沒有綁定 there are none")
    return 0

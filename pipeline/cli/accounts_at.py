"""The accounts that a command works on, and who works: the operator, by their login."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import store_uri_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.accounts.accounts import Accounts
    from pipeline.accounts.who import Who


@contextmanager
def accounts_of(settings: Settings, store_uri: str | None) -> Iterator[Accounts]:
    """The accounts of NHI_UPLOAD_ACCOUNTS_URL, or of the store, which must be there.

    What the operator asked for and can't be had is told as ``click.UsageError``.
    """
    from pipeline.accounts.accounts import accounts_url, open_accounts
    from pipeline.accounts.faults import (
        NoSuchAccountError,
        WeakPasswordError,
        WrongBindingError,
        WrongNameError,
    )
    from pipeline.store.layout import layout_of, read_config

    uri = ""
    if settings.accounts_url is None:
        uri = store_uri_of(store_uri, settings)
        if read_config(layout_of(uri), older=True) is None:
            raise click.UsageError(
                f"{uri} 沒有資料庫；請確認 --store。新的資料庫由 serve 建立：\n"
                f"There is no store at {uri}: check --store; serve makes a new one:\n"
                f"  nhi-upload serve --store {uri}"
            )
    try:
        with open_accounts(accounts_url(settings, uri)) as accounts:
            yield accounts
    except (NoSuchAccountError, WeakPasswordError, WrongBindingError, WrongNameError) as wrong:
        raise click.UsageError(f"{wrong.message_zh} {wrong.message_en}") from None


@contextmanager
def accounts_at_hand(settings: Settings, store_uri: str) -> Iterator[Accounts | None]:
    """The accounts of NHI_UPLOAD_ACCOUNTS_URL, or those that are in the store; ``None`` where there
    are none. Raises ``AccountsUnusableError``."""
    from pipeline.accounts.accounts import FILE, accounts_url, open_accounts
    from pipeline.store.layout import layout_of

    disk = layout_of(store_uri).disk
    if settings.accounts_url is None and not (disk and (disk / FILE).exists()):
        yield None
        return
    with open_accounts(accounts_url(settings, store_uri)) as accounts:
        yield accounts


def me() -> Who:
    """Whoever runs the command, as the audit log names them."""
    from pipeline.accounts.who import operator

    try:
        return operator(getpass.getuser())
    except (KeyError, OSError):  # a container's user without a name
        return operator()


def say(shape: str, found: dict[str, object], text: str) -> None:
    """One thing found, as a line of JSON or as text."""
    import orjson

    click.echo(orjson.dumps(found, default=sorted) if shape == "json" else text)

"""``nhi-upload store rebuild-state``: the state of the merge anew from the tables."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import store_option, store_uri_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    from schemas.tables import Track


@click.command("rebuild-state", short_help="重建合併狀態 build the merge state anew")
@store_option
@click.option(
    "--mode", "modes", type=click.Choice(["official", "precheck", "v1"]), multiple=True,
    default=("official", "precheck", "v1"), help="預設全部 all unless told",
)  # fmt: skip
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text",
              help="輸出格式 output; json: 每行一物件 one object a line.")  # fmt: skip
@click.pass_obj
def rebuild_state(
    settings: Settings, store_uri: str | None, modes: tuple[Track, ...], shape: str
) -> int:
    """由資料表重建合併狀態。Build the state of the merge anew from the tables.

    狀態遺失、落後或毀損時，開啟資料庫會自動重建；這個指令不問理由就重建。資料表不會改變。
    A state that is missing, behind or damaged is rebuilt when the store is opened; this rebuilds it
    whatever it is. The tables stay as they are.

    \b
    Examples:
      nhi-upload store rebuild-state --store ./store
      nhi-upload store rebuild-state --store ./store --mode official
    """
    import orjson

    from pipeline.store.failures import write_failures
    from pipeline.store.opening import open_tables
    from pipeline.store.state_db import Marker, StateDb
    from pipeline.store.state_rebuild import rebuild

    tell = lambda message: click.echo(message, err=True)  # noqa: E731
    with open_tables(store_uri_of(store_uri, settings), tell=tell) as held:
        now = Marker(held.batch, held.last_sequence)
        for mode in modes:
            start = time.monotonic()
            with write_failures():
                rebuild(held.layout, held.tables, mode, now)
            state = StateDb(held.layout.state(mode))
            size, seconds = state.size(), time.monotonic() - start
            state.close()
            if shape == "json":
                click.echo(orjson.dumps({"mode": mode, **size, "seconds": round(seconds, 3)}))
                continue
            click.echo(
                f"{mode:<9} 就醫時刻 moments {size['moments']:,}，處方 prescriptions "
                f"{size['ledger']:,}，{size['bytes'] / 1e6:,.1f} MB，{seconds:.1f} s"
            )
    return 0

"""``nhi-upload stream``: where a stream is, what it could not take, and beginning it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    cluster_of,
    cluster_options,
    refuse_without_terminal,
    shape_option,
    store_option,
    store_uri_of,
    yes_option,
)
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.store.layout import Layout
    from pipeline.stream.topics import Stream

_STANDS = 1


@click.group("stream", short_help="查看與照顧串流 look at a stream and care for it")
def command() -> None:
    """查看與照顧串流；不需要任何 worker 在執行。Look at a stream and care for it; asks no worker.

    \b
    Examples:
      nhi-upload stream status --store ./store --bootstrap-servers localhost:9092
      nhi-upload stream dead   --store ./store --bootstrap-servers localhost:9092
      nhi-upload stream renew  --store ./store --bootstrap-servers localhost:9092
    """


@command.command("status", short_help="串流到哪裡 where it is, and whether it moves")
@store_option
@cluster_options
@click.option(
    "--patience", type=click.FloatRange(0), default=30.0, show_default=True, metavar="SECONDS",
    help="等待而這麼久沒有進展，就是停住 what waits and has not moved for so long, stands.",
)  # fmt: skip
@shape_option
@click.pass_obj
def status(
    settings: Settings, store_uri: str | None, bootstrap: str | None, patience: float, shape: str
) -> int:
    """收件、分派、檢核、合併、記錄、寫入各到哪個序號，誰在做，誰等最久。Where a stream is.

    有上傳在等時，會看到它前進為止，最多 --patience 秒。回傳 0：進行中，或沒有等待的；1：停住、
    某一種工作沒有程序，或 Kafka 有遺失。Where something waits it looks until that moves. Exit code
    0: it moves, or nothing waits; 1: it stands, nobody does some work, or Kafka lost something.

    \b
    Examples:
      nhi-upload stream status --store ./store --bootstrap-servers localhost:9092
      nhi-upload stream status --format json --patience 60
    """
    import orjson

    from pipeline.report.stream_words import status_json, status_lines
    from pipeline.stream.status import status_of

    stream, layout = _stream(settings, store_uri)
    found = status_of(cluster_of(bootstrap, settings), stream, layout, patience)
    click.echo(
        orjson.dumps(status_json(found)) if shape == "json" else "\n".join(status_lines(found))
    )
    return 0 if found.moves else _STANDS


@command.command("dead", short_help="死信 what could not be read or processed")
@store_option
@cluster_options
@shape_option
@click.pass_obj
def dead(settings: Settings, store_uri: str | None, bootstrap: str | None, shape: str) -> int:
    """列出死信：無法讀取的訊息，與本系統處理失敗的上傳。Messages nobody could read, failed uploads.

    處理失敗的，以 nhi-upload publish --dead 再送。What failed is sent again by publish --dead.

    \b
    Examples:
      nhi-upload stream dead --store ./store --bootstrap-servers localhost:9092
      nhi-upload stream dead --format json
    """
    import orjson

    from pipeline.report.stream_words import letter_json, letter_line, letters_line
    from pipeline.stream.letters import Failed, dead_letters, unanswered

    stream, layout = _stream(settings, store_uri)
    letters = list(dead_letters(cluster_of(bootstrap, settings), stream))
    waiting = {one.number for one in unanswered(layout.uri, letters)}
    for letter in letters:
        waits = letter.number in waiting
        if shape == "json":
            click.echo(orjson.dumps(letter_json(letter, waits)))
        else:
            click.echo(letter_line(letter, waits))
    if shape == "text":
        failed = sum(isinstance(one, Failed) for one in letters)
        click.echo(letters_line(len(letters) - failed, failed, len(waiting)))
    return 0


@command.command("renew", short_help="Kafka 遺失後重新開始 begin anew after Kafka was lost")
@store_option
@cluster_options
@click.option(
    "--replicas", type=click.IntRange(1), default=1, help="新主題的副本數 copies of new topics."
)
@click.option("--whole", is_flag=True, help="沒有遺失也重新開始 even where nothing is lost.")
@click.option("--dry-run", is_flag=True, help="只說明 tell what it comes to, and change nothing.")
@yes_option
@shape_option
@click.pass_obj
def renew(
    settings: Settings, store_uri: str | None, bootstrap: str | None, replicas: int, whole: bool,
    dry_run: bool, yes: bool, shape: str,
) -> int:  # fmt: skip
    """由資料表接續，以新的主題重新開始串流。Begin a stream anew behind the tables, on new topics.

    先停止所有 worker、publish 與 serve。仍有程序在執行、資料庫使用中，或 Kafka 沒有遺失時，不會改變
    任何事。Stop all workers, publish and serve first. While some run, while the store is held, and
    where Kafka lost nothing, nothing is changed. 舊的主題不會刪除。The old topics stay.

    \b
    Examples:
      nhi-upload stream renew --store ./store --bootstrap-servers localhost:9092 --dry-run
      nhi-upload stream renew --store ./store --bootstrap-servers localhost:9092 --replicas 3
    """
    import orjson

    from pipeline.report.stream_words import renewal_json, renewal_lines
    from pipeline.stream.renew import renew, renewing

    asking = not (dry_run or yes)
    if asking:
        refuse_without_terminal()
    _, layout = _stream(settings, store_uri)
    cluster = cluster_of(bootstrap, settings)
    with renewing(cluster, layout, whole=whole) as renewal:
        if shape == "text":
            click.echo("\n".join(renewal_lines(renewal)))
        if asking:
            click.confirm("重新開始？Begin anew?", abort=True, err=True)
        if not dry_run:
            renew(cluster, layout, renewal, replicas)
    if shape == "json":
        click.echo(orjson.dumps(renewal_json(renewal, not dry_run)))
    elif not dry_run:
        click.echo("✓ 已重新開始，請啟動 worker 與 serve it is begun anew: start workers and serve")
    return 0


def _stream(settings: Settings, store_uri: str | None) -> tuple[Stream, Layout]:
    """The stream into a store, which must be there. Raises ``click.UsageError``."""
    from pipeline.store.layout import layout_of
    from pipeline.stream.topics import stream_of

    uri = store_uri_of(store_uri, settings)
    layout = layout_of(uri)
    stream = stream_of(layout)
    if stream is None:
        raise click.UsageError(f"{uri} 沒有串流 there is no stream into {uri}")
    return stream, layout

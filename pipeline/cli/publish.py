"""``nhi-upload publish``: files into a stream."""

from __future__ import annotations

from datetime import datetime

import click

from pipeline.cli.options import (
    Institution,
    Moment,
    cluster_of,
    cluster_options,
    store_option,
    store_uri_of,
)
from pipeline.outcome import Channel, Mode
from pipeline.settings import Settings


@click.command("publish", short_help="送入串流 files into the stream")
@click.argument("sources", nargs=-1, type=click.Path(), metavar="SOURCE...")
@store_option
@cluster_options
@click.option("--mode", type=click.Choice(["official", "precheck"]), default="official")
@click.option("--channel", type=click.Choice(["web-api", "vpn"]), default="web-api")
@click.option("--received-at", type=Moment(), help="收件時間 moment of receipt; default: now.")
@click.option("--institution", type=Institution(), help="送件機構 the sender; default: first M05.")
@click.option(
    "--dead", is_flag=True, help="再送一次處理失敗的上傳 send again what this system failed on."
)
@click.pass_obj
def command(
    settings: Settings,
    sources: tuple[str, ...],
    store_uri: str | None,
    bootstrap: str | None,
    mode: Mode,
    channel: Channel,
    received_at: datetime | None,
    institution: str | None,
    dead: bool,
) -> int:
    """把上傳檔存檔並送入 Kafka；檢核與寫入由 worker 進行。Archive files and send their claims.

    同名同內容的檔案再送一次不會改變任何資料。The same file sent again changes nothing.

    \b
    Examples:
      nhi-upload publish inbox/ --store ./store --bootstrap-servers localhost:9092
      nhi-upload publish --dead --store ./store --bootstrap-servers localhost:9092
    """
    if bool(sources) == dead:
        raise click.UsageError("請給來源，或 --dead give sources, or --dead")
    from pipeline.ingest.ingest import SourceMissingError, find_files, read_uploads
    from pipeline.store.layout import layout_of
    from pipeline.stream.broker import Sender
    from pipeline.stream.objects import Objects
    from pipeline.stream.process import Options, open_stream
    from pipeline.stream.publish import How, publish, publish_failed
    from pipeline.traces import traced

    uri = store_uri_of(store_uri, settings)
    cluster = cluster_of(bootstrap, settings)
    stream = open_stream(Options(cluster, uri))
    if dead:
        failed = list(publish_failed(uri, cluster, Sender(cluster), stream))
        click.echo("\n".join([*failed, f"已再送 sent again: {len(failed)}"]))
        return 0
    how = How(mode, channel, institution, received_at)
    try:
        uploads = (u for file in find_files(sources) for u in read_uploads(file, settings.limits))
        objects, sender = Objects(layout_of(uri)), Sender(cluster)
        with traced("publish"):
            count = sum(1 for _ in publish(uploads, how, objects, sender, stream))
    except SourceMissingError as missing:
        raise click.UsageError(str(missing)) from None
    click.echo(f"已送出 published: {count}")
    return 0

"""``nhi-upload worker``: the processes of a stream."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    DayTime,
    cluster_of,
    cluster_options,
    metrics_options,
    store_option,
    store_uri_of,
)
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.stream.process import Options
    from pipeline.stream.worker import Stop

_MEMBER = click.option(
    "--member",
    metavar="NAME",
    help="固定名稱 a name of its own for good: its partitions wait for it while it restarts.",
)
_REPLICAS = click.option(
    "--replicas", type=click.IntRange(1), default=1, help="新主題的副本數 copies of new topics."
)


@click.group("worker", short_help="串流的工作程序 the workers of the stream")
def command() -> None:
    """串流的工作程序，直到收到 SIGTERM。The workers of the stream, until SIGTERM.

    \b
    Examples:
      nhi-upload worker validate --store ./store --bootstrap-servers localhost:9092
      nhi-upload worker merge    --store ./store --bootstrap-servers localhost:9092
    """


@command.command("validate", short_help="檢核 check what comes in")
@store_option
@cluster_options
@_MEMBER
@_REPLICAS
@metrics_options
@click.option("--window", type=click.IntRange(1), default=20_000, help="最多超前幾個上傳 ahead.")
@click.pass_obj
def validate(
    settings: Settings,
    store_uri: str | None,
    bootstrap: str | None,
    member: str | None,
    replicas: int,
    metrics_port: int | None,
    metrics_host: str,
    window: int,
) -> int:
    """檢核上傳檔，依病人分送；其中一個程序負責分派。Check uploads and cut them by person.

    One of these processes dispatches as well. 結束 stop: SIGTERM.

    \b
    Examples:
      nhi-upload worker validate --store ./store --bootstrap-servers localhost:9092
      nhi-upload worker validate --member validate-1 --metrics-port 9464
    """
    from pipeline.stream.process import Options, run_validate

    options = Options(
        cluster_of(bootstrap, settings), store_uri_of(store_uri, settings), member,
        replicas=replicas, window=window, utf8=settings.allow_utf8, limits=settings.limits,
        watch=_watch(metrics_host, metrics_port),
    )  # fmt: skip
    return _run("validate", run_validate, options, settings)


@command.command("merge", short_help="合併與寫入 merge and record")
@store_option
@cluster_options
@_MEMBER
@_REPLICAS
@metrics_options
@click.option(
    "--commit-seconds", type=click.FloatRange(0.1), default=60.0, show_default=True,
    help="每隔幾秒寫入資料表 how often the tables get what was recorded.",
)  # fmt: skip
@click.option(
    "--upkeep", type=DayTime(), help="每日維護時間（台北） when tables are compacted, in Taipei."
)
@click.option(
    "--receipts", type=click.Path(file_okay=False, path_type=Path),
    help="回條資料夾 folder for receipts of uploads with something to tell; shared by all.",
)  # fmt: skip
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path),
    help="合併狀態的資料夾 where states are kept by --member; default: NHI_UPLOAD_STATE, "
    "else in the store.",
)  # fmt: skip
@click.pass_obj
def merge(
    settings: Settings,
    store_uri: str | None,
    bootstrap: str | None,
    member: str | None,
    replicas: int,
    metrics_port: int | None,
    metrics_host: str,
    commit_seconds: float,
    upkeep: time | None,
    receipts: Path | None,
    state: Path | None,
) -> int:
    """依順序合併；其中一個程序負責寫入資料表與回條。Merge in order; one of them records.

    結束 stop: SIGTERM.

    \b
    Examples:
      nhi-upload worker merge --store ./store --bootstrap-servers localhost:9092
      nhi-upload worker merge --member merge-1 --receipts ./receipts --metrics-port 9464
    """
    from pipeline.stream.process import Options, run_merge
    from pipeline.stream.recorder import Pace

    if state is None and settings.state is not None:
        state = Path(settings.state)
    options = Options(
        cluster_of(bootstrap, settings), store_uri_of(store_uri, settings), member,
        replicas=replicas, pace=Pace(commit_seconds, upkeep=upkeep),
        watch=_watch(metrics_host, metrics_port), utf8=settings.allow_utf8, limits=settings.limits,
        receipts=receipts, states=state,
    )  # fmt: skip
    return _run("merge", run_merge, options, settings)


def _watch(host: str, port: int | None) -> tuple[str, int] | None:
    return None if port is None else (host, port)


def _run(
    role: str, job: Callable[[Options, Stop], None], options: Options, settings: Settings
) -> int:
    """Run a job until SIGTERM or SIGINT."""
    from pipeline.cli.cold_start import compile_if_cold
    from pipeline.json_log import log_as_json
    from pipeline.stream.worker import Stop
    from pipeline.traces import traced

    log_as_json(logging.DEBUG if settings.debug else logging.INFO)
    compile_if_cold()
    stop = Stop()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.stop())
    with traced(role):
        job(options, stop)
    return 0

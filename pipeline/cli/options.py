"""Option types and options that several commands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

import click

from pipeline.settings import Settings
from pipeline.taipei import TAIPEI

if TYPE_CHECKING:
    from pipeline.stream.broker import Cluster

_FIRST_YEAR, _LAST_YEAR = 1911, 2911  # between them the years that a date can be written in
_INSTITUTION = re.compile(r"[0-9A-Z]{10}")


class Moment(click.ParamType[datetime]):
    """An ISO date or date and time; without an offset it is Asia/Taipei."""

    name = "iso-datetime"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} 不是 ISO 日期時間 is no ISO date and time", param, ctx)
        if not _FIRST_YEAR < moment.year < _LAST_YEAR:  # else the calendar's ends are near
            self.fail(f"{value!r} 不在民國年內 is outside the calendar", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=TAIPEI)


class DayTime(click.ParamType[time]):
    """A time of day."""

    name = "HH:MM"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> time:
        try:
            return datetime.strptime(str(value), "%H:%M").time()
        except ValueError:
            self.fail(f"{value!r} 不是 HH:MM is no time of day", param, ctx)


class Institution(click.ParamType[str]):
    """An institution code: ten digits and capital letters."""

    name = "code"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not _INSTITUTION.fullmatch(str(value)):
            self.fail(f"{value!r} 不是 10 碼醫事機構代碼 is no institution code", param, ctx)
        return str(value)


def now() -> datetime:
    """The present moment in Asia/Taipei."""
    return datetime.now(TAIPEI)


store_option = click.option(
    "--store", "store_uri", metavar="URI", help="資料庫 the store; default: NHI_UPLOAD_STORE."
)
shape_option = click.option(
    "--format", "shape", type=click.Choice(["text", "json"]), default="text",
    help="輸出格式 output; json: 每行一物件 one object a line.",
)  # fmt: skip
yes_option = click.option("--yes", is_flag=True, help="不詢問 don't ask.")


def refuse_without_terminal() -> None:
    """Before something is asked. Raises ``click.UsageError`` where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("沒有終端機可詢問，請加 --yes；there is nobody to ask: add --yes")


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where Kafka is."""
    return click.option(
        "--bootstrap-servers", "bootstrap", metavar="HOSTS",
        help="Kafka，如 host:9092,…；default: NHI_UPLOAD_BOOTSTRAP_SERVERS.",
    )(command)  # fmt: skip


def cluster_of(given: str | None, settings: Settings) -> Cluster:
    """The cluster named by option or environment. Raises ``click.UsageError`` for neither."""
    from pipeline.stream.broker import Cluster

    hosts = given or settings.bootstrap_servers
    if hosts is None:
        raise click.UsageError(
            "請以 --bootstrap-servers 指定 Kafka name Kafka with --bootstrap-servers"
        )
    return Cluster(hosts, settings.kafka)


def store_uri_of(given: str | None, settings: Settings) -> str:
    """The store named by option or environment. Raises ``click.UsageError`` for neither."""
    uri = given or settings.store_uri
    if uri is None:
        raise click.UsageError("請以 --store 指定資料庫 name the store with --store")
    return uri


def metrics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--metrics-port`` and ``--metrics-host``: where machines ask for metrics and health."""
    port = click.option(
        "--metrics-port", type=click.IntRange(0, 65535), metavar="PORT",
        help="監測埠 answer /metrics, /healthz and /readyz there.",
    )  # fmt: skip
    host = click.option(
        "--metrics-host", default="127.0.0.1", show_default=True, help="監測位址 its address."
    )
    return port(host(command))

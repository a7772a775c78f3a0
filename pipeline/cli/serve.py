"""``nhi-upload serve``: the API and the portal over one store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import cluster_of, cluster_options, metrics_options, store_option
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.cli.demo import SignIn
    from pipeline.stream.broker import Cluster
    from pipeline.web.house import Doorway, House
    from pipeline.web.server import Listening

DEMO_STORE = "out/store"
_DAY_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


class Network(click.ParamType[str]):
    """A network or an address, like 10.0.0.0/8."""

    name = "cidr"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            return str(ip_network(str(value)))
        except ValueError:
            self.fail(f"{value!r} 不是網段 is no network like 10.0.0.0/8", param, ctx)


@dataclass(frozen=True)
class Serving:
    """How the service is started; ``demo`` whether sign-ins are made up and shown, ``cluster``
    that of the stream in front of which it stands, if it does."""

    store_uri: str
    host: str
    commit_seconds: float
    upkeep: str | None
    demo: bool
    doorway: Doorway
    watch: tuple[str, int] | None
    cluster: Cluster | None


@click.command("serve", short_help="網頁服務：API 與入口網站 the web service: API and portal")
@store_option
@cluster_options
@click.option("--host", default="127.0.0.1", show_default=True, help="監聽位址 to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--tls-cert", type=_file, help="憑證 certificate (PEM), with --tls-key.")
@click.option("--tls-key", type=_file, help="私鑰 its private key (PEM).")
@click.option(
    "--behind-proxy", "proxies", type=Network(), multiple=True,
    help="前方代理的位址或網段（只含代理） address or network of the proxy in front, which speaks "
    "https, and of nobody else: what comes from there is believed.",
)  # fmt: skip
@click.option(
    "--commit-seconds", type=click.FloatRange(0.1, 3600), default=60.0, show_default=True,
    help="結果至多幾秒後寫入資料表 until outcomes reach the tables.",
)  # fmt: skip
@click.option(
    "--upkeep", metavar="HH:MM", help="每日維護時間（台北） when tables are compacted, in Taipei."
)
@metrics_options
@click.option("--demo", is_flag=True, help="建立並顯示示範帳號 make sign-ins up and show them.")
@click.pass_obj
def command(
    settings: Settings,
    store_uri: str | None,
    bootstrap: str | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    proxies: tuple[str, ...],
    commit_seconds: float,
    upkeep: str | None,
    metrics_port: int | None,
    metrics_host: str,
    demo: bool,
) -> int:
    """啟動網頁服務：收件、檢核結果、下載。Serve the API and the portal over a store.

    未指定資料庫時使用 make run 的示範資料。Without a store it shows the samples of make run.
    以 SIGTERM 或 Ctrl-C 停止：已收下的上傳檢核完畢並寫入後才結束。
    SIGTERM or Ctrl-C stop it: what was taken in is settled and committed first.
    指定 Kafka 時只收件與回覆，由 worker 檢核與寫入，可同時執行多個。
    With Kafka it takes uploads in and answers, any number side by side; workers do the rest.

    \b
    Examples:
      nhi-upload serve
      nhi-upload serve --store ./store --tls-cert cert.pem --tls-key key.pem --host 0.0.0.0
      nhi-upload serve --store ./store --host 0.0.0.0 --behind-proxy 10.1.2.3 --upkeep 03:30
      nhi-upload serve --store ./store --bootstrap-servers localhost:9092
    """
    cluster = cluster_of(bootstrap, settings) if bootstrap or settings.bootstrap_servers else None
    uri, shows = _store(store_uri, settings, demo)
    _check(host, tls_cert, tls_key, proxies, upkeep, shows)
    _check_stream(uri, cluster, upkeep)
    doorway = _doorway(host, proxies, bool(tls_cert), settings)
    watch = None if metrics_port is None else (metrics_host, metrics_port)
    serving = Serving(uri, host, commit_seconds, upkeep, shows, doorway, watch, cluster)
    return _serve(settings, serving, port, (tls_cert, tls_key))


def _store(given: str | None, settings: Settings, demo: bool) -> tuple[str, bool]:
    """The store, and whether to show sign-ins: without a store it is that of ``make run``."""
    from pipeline.store.layout import layout_of, read_config

    uri = given or settings.store_uri
    if uri is not None:
        return uri, demo
    if read_config(layout_of(DEMO_STORE), older=True) is None:
        raise click.UsageError(
            f"沒有指定 --store，也沒有示範資料庫 {DEMO_STORE}；請先執行 make run\n"
            f"No --store was given and there is no {DEMO_STORE} with the samples: make run first"
        )
    click.echo(f"示範資料庫 showing the samples in {DEMO_STORE}", err=True)
    return DEMO_STORE, True


def _check(
    host: str, cert: Path | None, key: Path | None, proxies: tuple[str, ...], upkeep: str | None,
    demo: bool,
) -> None:  # fmt: skip
    """Raise ``click.UsageError`` for what can't go together."""
    import re

    if (cert is None) != (key is None):
        raise click.UsageError("--tls-cert 與 --tls-key 須同時指定 go together")
    if upkeep is not None and not re.fullmatch(_DAY_TIME, upkeep):
        raise click.UsageError(f"--upkeep {upkeep!r} 不是 HH:MM is no time of day")
    local = _is_loopback(host)
    if demo and not local:
        raise click.UsageError("示範帳號只能用於本機 sign-ins are made up on loopback only")
    if not (local or cert or proxies):
        raise click.UsageError(
            f"{host} 可由其他電腦連線：密碼與病患資料不可以明文傳送。"
            "請指定 --tls-cert/--tls-key，或由前方代理負責 https 並指定 --behind-proxy。\n"
            f"Others can reach {host}: passwords and patients' data must not travel in clear. Give "
            "--tls-cert and --tls-key, or let a proxy speak https and name it by --behind-proxy."
        )


def _check_stream(uri: str, cluster: Cluster | None, upkeep: str | None) -> None:
    """Raise ``click.UsageError`` for a stream without Kafka, or what its workers do."""
    from pipeline.store.layout import layout_of
    from pipeline.stream.topics import stream_of

    if cluster is None and stream_of(layout_of(uri)) is not None:
        raise click.UsageError(
            f"{uri} 的上傳由串流收件，請指定 --bootstrap-servers takes its uploads from a stream; "
            "name Kafka with --bootstrap-servers"
        )
    if cluster is not None and upkeep is not None:
        raise click.UsageError("資料表由 worker merge --upkeep 維護 the workers do the upkeep")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _doorway(host: str, proxies: tuple[str, ...], tls: bool, settings: Settings) -> Doorway:
    from pipeline.web.house import Doorway

    names = set(settings.hosts)
    if _is_loopback(host):
        names |= {"localhost", "127.0.0.1", "::1", host}
    elif names:
        names.add(host)
    return Doorway(frozenset(names), proxies, tls or bool(proxies))


def _serve(
    settings: Settings, serving: Serving, port: int, tls: tuple[Path | None, Path | None]
) -> int:
    from pipeline.cli.cold_start import compile_if_cold
    from pipeline.json_log import log_as_json
    from pipeline.traces import traced
    from pipeline.web.server import Listening, listen

    try:
        listening = Listening(listen(serving.host, port), *tls)
    except OSError as error:
        raise click.UsageError(
            f"無法監聽 {serving.host}:{port} can't listen there: {error.strerror or error}"
        ) from None
    compile_if_cold()
    log_as_json(logging.DEBUG if settings.debug else logging.INFO)
    with listening.socket, traced("serve"):
        return _open_and_serve(settings, serving, listening)


def _open_and_serve(settings: Settings, serving: Serving, listening: Listening) -> int:
    from pipeline.cli.demo import sign_ins
    from pipeline.web.app import create_app
    from pipeline.web.open_house import open_house
    from pipeline.web.server import serve
    from pipeline.web.upkeep import daily
    from pipeline.web.warm import warm
    from pipeline.web.zip_passwords import OPERATOR_WARNING

    if settings.id_as_password:
        click.secho(OPERATOR_WARNING, fg="yellow", err=True)
    with open_house(
        settings,
        serving.store_uri,
        serving.doorway,
        commit_seconds=serving.commit_seconds,
        tell=lambda message: click.echo(message, err=True),
        cluster=serving.cluster,
    ) as house:
        shown = sign_ins(house.accounts, serving.store_uri) if serving.demo else []
        app = create_app(house)
        warm(app, house)
        with daily(house, serving.upkeep), _watched(serving, house):
            serve(app, listening, _ready(serving, listening, shown))
        click.echo("停止中：寫入已收下的上傳… stopping: settling what was taken in…", err=True)
    return 0


@contextmanager
def _watched(serving: Serving, house: House) -> Iterator[None]:
    """Answer machines on a port of their own, if one was given."""
    from pipeline.stream.watch import Answers, watched
    from pipeline.web.health import ready_checks

    if serving.watch is None:
        yield
        return
    answers = Answers(
        house.service.exposition, lambda: {"serve": True}, lambda: ready_checks(house)
    )
    with watched(serving.watch, answers):
        yield


def _ready(serving: Serving, listening: Listening, shown: list[SignIn]) -> Callable[[], None]:
    """What is said once requests are answered."""
    scheme = "https" if listening.certificate else "http"
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    url = f"{scheme}://{host}:{listening.port}"

    def say() -> None:
        from pipeline.cli.demo import told

        if shown:
            click.echo(told(shown), err=True)
        click.echo(f"就緒 ready: {url}", err=True)

    return say

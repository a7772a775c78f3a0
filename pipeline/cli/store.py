"""``nhi-upload store``: a store checked and kept in shape."""

from __future__ import annotations

import click

from pipeline.cli.options import shape_option, store_option, store_uri_of
from pipeline.cli.store_state import rebuild_state
from pipeline.settings import Settings


@click.group("store", short_help="資料庫維護 check a store and keep it in shape")
def command() -> None:
    """資料庫維護：檢查、整併、清除、升級。Check a store and keep it in shape.

    \b
    Examples:
      nhi-upload store verify --store ./store
      nhi-upload store compact --store ./store
      nhi-upload store vacuum --store ./store --dry-run
    """


@command.command("compact")
@store_option
@shape_option
@click.pass_obj
def compact(settings: Settings, store_uri: str | None, shape: str) -> int:
    """整併小檔。Join the small files of each partition; no row changes.

    讀取者不受影響；舊檔留待 vacuum 清除。Readers are not disturbed; old files stay until a vacuum.

    \b
    Examples:
      nhi-upload store compact --store ./store
      nhi-upload store compact --store ./store --format json
    """
    from pipeline.cli.progress import steps_progress
    from pipeline.store.compaction import compact as compacted
    from pipeline.store.opening import open_tables

    with open_tables(store_uri_of(store_uri, settings), tell=_tell) as held, steps_progress() as at:
        done = list(compacted(held, at))
    for one in done:
        name = "+".join(one.tables)
        _say(
            shape,
            {"tables": one.tables, "files_before": one.files_before, "files_after": one.files_after,
             "bytes_before": one.bytes_before, "bytes_after": one.bytes_after},
            f"{name:<32} 檔 files {one.files_before:,} → {one.files_after:,}，"
            f"{_mb(one.bytes_before)} → {_mb(one.bytes_after)}",
        )  # fmt: skip
    if not done and shape == "text":
        click.echo("沒有可整併的小檔 nothing to join")
    return 0


@command.command("vacuum")
@store_option
@click.option(
    "--retain-hours", type=click.IntRange(0, 168), default=168, show_default=True,
    help="保留最近幾小時內讀取者可能用到的檔 keep what readers of the last hours may need.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="只列出，不刪除 only name them.")
@shape_option
@click.pass_obj
def vacuum(
    settings: Settings, store_uri: str | None, retain_hours: int, dry_run: bool, shape: str
) -> int:
    """清除不再使用的檔案。Remove files that no table version of the last hours has.

    未完成批次留下的檔案也在內。Files of commits that came to nothing are among them.
    小於最長查詢時間的 --retain-hours 會使進行中的讀取失敗。
    Hours shorter than the longest query break it.

    \b
    Examples:
      nhi-upload store vacuum --store ./store --dry-run
      nhi-upload store vacuum --store ./store --retain-hours 24
    """
    from pipeline.store.opening import open_tables
    from pipeline.store.vacuum import vacuum as vacuumed

    files = size = 0
    with open_tables(store_uri_of(store_uri, settings), tell=_tell) as held:
        for one in vacuumed(held, retain_hours, dry_run=dry_run):
            files, size = files + len(one.paths), size + one.size
            if shape == "json":
                found = {"table": one.table, "files": one.paths, "bytes": one.size}
                _say(shape, found | {"removed": not dry_run}, "")
            elif dry_run:
                click.echo("\n".join(f"{one.table}/{path}" for path in one.paths))
    did = "可清除 would remove" if dry_run else "已清除 removed"
    if shape == "text":
        click.echo(f"{did}: {files:,} 檔 files, {_mb(size)}")
    return 0


@command.command("migrate")
@store_option
@click.pass_obj
def migrate(settings: Settings, store_uri: str | None) -> int:
    """升級至本版格式。Bring a store of an older format up to this program's.

    下次寫入時也會自動升級；中斷後再執行一次即可。
    The next run does it too; it may be interrupted and run again.

    \b
    Examples:
      nhi-upload store migrate --store ./store
    """
    from pipeline.store.layout import FORMAT
    from pipeline.store.opening import open_tables

    with open_tables(store_uri_of(store_uri, settings), tell=_tell):
        click.echo(f"資料庫為第 {FORMAT} 版格式 the store is of format {FORMAT}")
    return 0


@command.command("take")
@store_option
@click.pass_obj
def take(settings: Settings, store_uri: str | None) -> int:
    """接手已停止的程序所佔用的資料庫。Take the store from a process that died while it had it.

    物件儲存上無人能分辨停止與忙碌。原程序即使仍在也不再寫入；串流的 worker 會自行接手。
    On object storage nobody can tell whether it died. If it did not, it writes no more all the
    same. Workers of a stream do this by themselves.

    \b
    Examples:
      nhi-upload store take --store s3://bucket/store
    """
    from pipeline.store.opening import open_tables

    uri = store_uri_of(store_uri, settings)
    with open_tables(uri, wait_seconds=0, tell=_tell, recording=True):
        click.echo("已接手並釋出 taken, and let go of")
    return 0


@command.command("verify")
@store_option
@shape_option
@click.option("--skip-archive", is_flag=True, help="不重算原始檔雜湊 don't hash the archive again.")
@click.pass_obj
def verify(settings: Settings, store_uri: str | None, shape: str, skip_archive: bool) -> int:
    """重算並比對整個資料庫。Recompute and compare everything in a store; nothing is changed.

    有不符時回傳 70。Exit code 70 when something is wrong.

    \b
    Examples:
      nhi-upload store verify --store ./store
      nhi-upload store verify --store ./store --format json
    """
    from pipeline.cli import OUR_FAULT
    from pipeline.cli.progress import steps_progress
    from pipeline.store.verify import verify as verified

    broken = 0
    with steps_progress() as at:
        found = list(
            verified(store_uri_of(store_uri, settings), at, _tell, archive=not skip_archive)
        )
    for one in found:
        broken += not one.ok
        check, looked_at, problems = one.check, one.found.looked_at, one.found.problems
        lines = [f"{'✓' if one.ok else '✗'} {check.zh} {check.en}: {looked_at:,}"]
        _say(
            shape,
            {"check": check.name, "ok": one.ok, "looked_at": looked_at, "problems": problems},
            "\n    ".join([*lines, *problems]),
        )
    if shape == "text":
        click.echo(f"{broken} 項不符 checks failed" if broken else "資料庫完好 the store is whole")
    return OUR_FAULT if broken else 0


command.add_command(rebuild_state)


def _tell(message: str) -> None:
    click.echo(message, err=True)


def _say(shape: str, found: dict[str, object], text: str) -> None:
    import orjson

    click.echo(orjson.dumps(found) if shape == "json" else text)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

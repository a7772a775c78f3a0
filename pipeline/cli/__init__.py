"""EDGE: the command ``nhi-upload``. A thin caller; what it prints is made in ``pipeline.report``.

Exit codes: 0 all accepted (warnings too), 1 a record was rejected, 2 an upload was refused,
64 wrong usage, 70 a fault of ours.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from pipeline.errors import PipelineError, kind_and_place
from pipeline.settings import Settings, SettingsError, read_settings
from pipeline.version import ENGINE

WRONG_USAGE = 64
OUR_FAULT = 70
INTERRUPTED = 130
READER_GONE = 141

_COMMANDS = {
    "check": "離線檢核上傳檔 check upload files offline",
    "run": "收下、檢核、合併、寫入 take uploads in, check, merge and store them",
    "receipt": "重印回條 print the receipt of a stored upload again",
    "trace": "追查一筆就醫的所有版本 every version of a visit, down to its bytes",
    "held": "暫緩處理的上傳 uploads held since they would delete much",
    "store": "資料庫維護 check a store and keep it in shape",
    "report": "預檢比對與上傳結果 pre-check comparison, results of uploads",
    "explain": "說明錯誤代碼 explain an error code",
    "rules": "規則目錄 the rule catalogue",
    "reference": "參考表 reference tables",
    "register": "健保卡整批註冊檔 files of card registrations",
    "serve": "網頁服務 the web service: API and portal",
    "account": "帳號、API 金鑰、綁定 accounts, API keys, bindings of the web service",
    "audit": "稽核紀錄 the audit log",
    "publish": "送入串流 files into the stream",
    "worker": "串流的工作程序 the workers of the stream",
    "stream": "查看與照顧串流 look at a stream and care for it",
    "generate": "產生模擬上傳檔 make synthetic uploads",
}


class LazyGroup(click.Group):
    """Commands are imported when asked for, so that ``--help`` doesn't load the engine."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"pipeline.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("指令 Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ENGINE, prog_name="nhi-upload")
def cli() -> None:
    """健保卡資料上傳格式 2.0 檢核。Upload validation for Taiwan's National Health Insurance.

    \b
    Examples:
      nhi-upload check visits.xml
      nhi-upload run inbox/ --store ./store --receipts ./receipts
      nhi-upload explain M15:AA
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code and never raises."""
    _never_fail_to_print()
    _end_when_told()
    try:
        settings = read_settings()
        code = cli.main(arguments, prog_name="nhi-upload", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        click.echo("已中止 aborted", err=True)
        return INTERRUPTED
    except click.ClickException as wrong:
        wrong.show()
        return WRONG_USAGE
    except SettingsError as wrong:
        click.echo(f"環境變數錯誤 wrong environment: {wrong}", err=True)
        return WRONG_USAGE
    except BrokenPipeError:
        _close_stdout()
        return READER_GONE
    except PipelineError as fault:
        click.echo(str(fault), err=True)
        return OUR_FAULT
    except Exception as fault:
        _tell(fault)
        return OUR_FAULT
    return code if isinstance(code, int) else 0


def _tell(fault: Exception) -> None:
    """A fault of ours: where, but not its message, which may hold a patient's data."""
    if _debugging():
        traceback.print_exception(fault)
        return
    where = kind_and_place(fault)
    click.echo(f"系統錯誤，不是上傳檔的問題（{where}）", err=True)
    click.echo(
        f"A fault of ours, not of the upload ({where}); NHI_UPLOAD_DEBUG=1 shows more.", err=True
    )


def _debugging() -> bool:
    try:
        return read_settings().debug
    except SettingsError:
        return False


def _never_fail_to_print() -> None:
    """A console that lacks a character gets it escaped, not a crash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end_when_told() -> None:
    """End by SIGTERM as anywhere; the first process of a container would not hear of it."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def _close_stdout() -> None:
    """Whoever read our output has gone; keep the interpreter from flushing into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


__all__ = ["Settings", "cli", "main"]

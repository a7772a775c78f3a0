"""``nhi-upload held``: uploads that wait since they would delete much, and what to do with them."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    cluster_of,
    refuse_without_terminal,
    store_option,
    store_uri_of,
    yes_option,
)
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.lineage.rows import Rows
    from pipeline.lineage.visit import Row
    from pipeline.outcome import Decision
    from pipeline.report.held_words import HeldUpload
    from pipeline.stream.topics import Stream

_NOT_AS_ASKED = 1
_STATUS = {"release": "done", "drop": "dropped"}
_ASKS = {
    "release": "放行後，其中的刪除會全部執行。Release, and all of its deletes are carried out?",
    "drop": "作廢後，其中的資料都不收下。Drop, and nothing of it is ever taken?",
}
_DID = {"release": "已放行 released", "drop": "已作廢 dropped"}

_format = click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
_ids = click.argument("upload_ids", nargs=-1, required=True, metavar="UPLOAD_ID...")
_by = click.option("--by", metavar="NAME", help="決定者，記入 held 表 who decides; goes into held.")
_receipts = click.option(
    "--receipts", type=click.Path(file_okay=False, path_type=Path),
    help="回條資料夾，重寫這些上傳的回條 folder whose receipts of these are written again.",
)  # fmt: skip


@click.group("held", short_help="暫緩處理的上傳 uploads held since they would delete much")
def command() -> None:
    """大量刪除而暫緩的上傳：列出、查看、放行、作廢。Uploads held since they would delete much.

    刪除達該機構同一就醫月份有效紀錄三成以上且超過 20 筆的上傳，整批暫緩，由人決定。
    An upload with deletes of 30 % or more of an institution's live records of a visit month, and
    more than 20, waits as a whole for somebody's decision.

    \b
    Examples:
      nhi-upload held list --store ./store
      nhi-upload held show 01JAB… --store ./store
      nhi-upload held release 01JAB… --store ./store --by "A. Chen"
    """


@command.command("list")
@store_option
@_format
@click.pass_obj
def list_held(settings: Settings, store_uri: str | None, shape: str) -> int:
    """列出等待決定的上傳。The uploads that wait for a decision, in order of receipt.

    \b
    Examples:
      nhi-upload held list --store ./store
      nhi-upload held list --store ./store --format json
    """
    from pipeline.report.held_words import HeldUpload, held_line

    rows = _rows(store_uri_of(store_uri, settings))
    waiting = {row["upload_id"]: row for row in rows.held_uploads()}
    holds = {row["upload_id"]: row for row in rows.held(waiting)}
    for upload_id, upload in waiting.items():
        held = HeldUpload(upload, [holds[upload_id]], {})
        _say(held, shape, [held_line(held)])
    if not waiting and shape == "text":
        click.echo("沒有暫緩的上傳 nothing is held")
    return 0


@command.command("show")
@_ids
@store_option
@_format
@click.pass_obj
def show_held(
    settings: Settings, upload_ids: tuple[str, ...], store_uri: str | None, shape: str
) -> int:
    """查看暫緩的上傳，或曾經暫緩的。An upload that is or was held, and what was decided.

    \b
    Examples:
      nhi-upload held show 01JAB… --store ./store
    """
    from pipeline.cli.cold_start import compile_if_cold
    from pipeline.report.held_words import held_lines

    uri = store_uri_of(store_uri, settings)
    compile_if_cold()
    for held in _told(_rows(uri), upload_ids):
        _say(held, shape, held_lines(held))
    return 0


@command.command("release")
@_ids
@store_option
@_by
@yes_option
@_receipts
@_format
@click.pass_obj
def release(
    settings: Settings, upload_ids: tuple[str, ...], store_uri: str | None, by: str | None,
    yes: bool, receipts: Path | None, shape: str,
) -> int:  # fmt: skip
    """放行：以新的序號合併，刪除生效。Release: merged now, under a new sequence.

    重複執行不會改變任何資料。Doing it twice changes nothing.

    \b
    Examples:
      nhi-upload held release 01JAB… --store ./store --by "A. Chen" --receipts ./receipts
    """
    uri = store_uri_of(store_uri, settings)
    return _decide(settings, uri, upload_ids, "release", by, yes, receipts, shape)


@command.command("drop")
@_ids
@store_option
@_by
@yes_option
@_receipts
@_format
@click.pass_obj
def drop(
    settings: Settings, upload_ids: tuple[str, ...], store_uri: str | None, by: str | None,
    yes: bool, receipts: Path | None, shape: str,
) -> int:  # fmt: skip
    """作廢：永不收下。Drop: nothing of it is ever taken.

    重複執行不會改變任何資料。Doing it twice changes nothing.

    \b
    Examples:
      nhi-upload held drop 01JAB… --store ./store --by "A. Chen" --yes
    """
    uri = store_uri_of(store_uri, settings)
    return _decide(settings, uri, upload_ids, "drop", by, yes, receipts, shape)


def _decide(
    settings: Settings, uri: str, upload_ids: Sequence[str], decision: Decision, by: str | None,
    yes: bool, receipts: Path | None, shape: str,
) -> int:  # fmt: skip
    """Decide, and write who did into the audit log where there are accounts."""
    from pipeline.accounts.held import note_decision
    from pipeline.cli.accounts_at import accounts_at_hand, me
    from pipeline.cli.cold_start import compile_if_cold
    from pipeline.store.layout import layout_of
    from pipeline.stream.topics import stream_of

    compile_if_cold()
    chosen = _told(_rows(uri), upload_ids, looking=not yes)
    asked = [held.upload["upload_id"] for held in chosen]
    if not yes:
        _confirm(chosen, decision)
    stream = stream_of(layout_of(uri))
    with accounts_at_hand(settings, uri) as accounts:
        if stream is not None:
            before = _decide_in(stream, settings, uri, asked, decision, by, receipts)
        else:
            before = _decide_here(settings, uri, asked, decision, by, receipts)
        for held in chosen:
            if accounts is not None and before[held.upload["upload_id"]] == "held":
                note_decision(accounts.audit, me().id, decision, held.decisions[0], {"by": by})
    if stream is None and receipts is None and shape == "text" and "held" in before.values():
        click.echo(
            "先前寫出的回條檔仍說暫緩；加 --receipts 可重寫 receipt files written before still say "
            "held; --receipts writes them again",
            err=True,
        )
    return _tell(before, decision, shape)


def _decide_here(
    settings: Settings, uri: str, upload_ids: Sequence[str], decision: Decision, by: str | None,
    receipts: Path | None,
) -> dict[str, str]:  # fmt: skip
    """Carry a decision out, holding the store."""
    from pipeline.cli.stored import answers_from_store
    from pipeline.held import decide_held
    from pipeline.report.receipt_files import ReceiptFolder
    from rules import load_plan

    stored = partial(answers_from_store, uri, settings)
    folder = ReceiptFolder(receipts, stored) if receipts is not None else None
    try:
        return decide_held(
            uri, upload_ids, decision, load_plan(), by=by, utf8=settings.allow_utf8,
            limits=settings.limits, receipts=folder,
            waiting=lambda message: click.echo(message, err=True),
        )  # fmt: skip
    finally:
        if folder:
            folder.close()


def _decide_in(
    stream: Stream, settings: Settings, uri: str, upload_ids: Sequence[str], decision: Decision,
    by: str | None, receipts: Path | None,
) -> dict[str, str]:  # fmt: skip
    """Have the workers of a stream carry a decision out; its Kafka is that of the environment."""
    from pipeline.store.layout import layout_of
    from pipeline.stream.decider import Decider

    if receipts is not None:
        raise click.UsageError(
            "串流的回條由 worker merge --receipts 寫出 the workers of a stream write its receipts"
        )
    decider = Decider(cluster_of(None, settings), stream, layout_of(uri))
    return decider.decide(upload_ids, decision, by)


def _confirm(chosen: Sequence[HeldUpload], decision: Decision) -> None:
    """Ask, showing what is decided upon. Raises ``click.UsageError`` where nobody can answer."""
    from pipeline.report.held_words import held_lines

    refuse_without_terminal()
    for held in chosen:
        click.echo("\n".join(held_lines(held)), err=True)
    click.confirm(_ASKS[decision], abort=True, err=True)


def _tell(before: dict[str, str], decision: Decision, shape: str) -> int:
    """What became of each; 1 if something else had been decided of one."""
    import orjson

    other = 0
    for upload_id, status in before.items():
        if status == "held":
            text, now = _DID[decision], _STATUS[decision]
        elif status == _STATUS[decision]:
            text, now = f"先前{_DID[decision]} before; nothing changed", status
        else:
            other += 1
            text, now = f"先前已另作決定，不變 otherwise decided before, stays: {status}", status
        out = {"upload_id": upload_id, "before": status, "status": now}
        click.echo(orjson.dumps(out) if shape == "json" else f"{upload_id}  {text}")
    return _NOT_AS_ASKED if other else 0


def _told(rows: Rows, upload_ids: Sequence[str], *, looking: bool = True) -> list[HeldUpload]:
    """Uploads that are or were held. Raises ``click.UsageError`` for any other.

    ``looking``: into their bytes too.
    """
    from pipeline.report.held_words import HeldUpload

    uploads = rows.uploads(upload_ids)
    first = [(uploads[u]["redelivery_of"] or u) if u in uploads else u for u in upload_ids]
    uploads |= rows.uploads(first)
    decisions = rows.held(first)
    held = []
    for upload_id in dict.fromkeys(first):
        if upload_id not in uploads:
            raise click.UsageError(f"沒有這個上傳 no such upload: {upload_id}")
        of_it = [row for row in decisions if row["upload_id"] == upload_id]
        if not of_it:
            raise click.UsageError(f"這個上傳不曾暫緩 the upload was never held: {upload_id}")
        formats = _formats(rows, uploads[upload_id]) if looking else {}
        held.append(HeldUpload(uploads[upload_id], of_it, formats))
    return held


def _formats(rows: Rows, upload: Row) -> dict[str, int]:
    """Records of an upload by H01."""
    archived = rows.archived(upload)
    if archived is None or archived.source is None:
        return {}
    source = archived.source
    values = (source.value(n, None, "H01") or "" for n in range(1, archived.records + 1))
    return dict(sorted(Counter(values).items()))


def _rows(uri: str) -> Rows:
    from pipeline.lineage.rows import Rows as RowsOf

    return RowsOf(uri, "official")


def _say(held: HeldUpload, shape: str, lines: Sequence[str]) -> None:
    import orjson

    from pipeline.report.held_words import held_json

    click.echo(orjson.dumps(held_json(held)) if shape == "json" else "\n".join(lines))

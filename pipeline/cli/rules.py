"""``nhi-upload rules``: the catalogue for people and for machines."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

_SHAPE = click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")


@click.group("rules", short_help="規則目錄 the rule catalogue")
def command() -> None:
    """規則目錄。The catalogue of rules.

    \b
    Examples:
      nhi-upload rules list --code AA
      nhi-upload rules show makeup/visit-not-before-swipe
      nhi-upload rules docs --check
    """


@command.command("list")
@click.option("--code", help="只列這個錯誤代碼 only this code.")
@click.option("--field", help="只列回報在這個欄位的 only those reported on this field.")
@_SHAPE
def list_rules(code: str | None, field: str | None, shape: str) -> int:
    """列出規則。List the rules, one a line.

    \b
    Examples:
      nhi-upload rules list
      nhi-upload rules list --field M15 --format json
    """
    import orjson

    from pipeline.report.rule_page import rule_json, rule_line
    from rules import load_every_rule

    told = 0
    for rule in load_every_rule():
        codes = {edition.code for edition in rule.editions}
        if (code is None or code in codes) and field in (None, rule.field):
            click.echo(orjson.dumps(rule_json(rule)) if shape == "json" else rule_line(rule))
            told += 1
    if not told:
        click.echo("沒有符合的規則 no rule matches", err=True)
    return 0


@command.command("show")
@click.argument("rule_id", metavar="ID")
@_SHAPE
def show(rule_id: str, shape: str) -> int:
    """顯示一條規則。Show one rule whole, with examples.

    \b
    Example:
      nhi-upload rules show required/M15
    """
    import orjson

    from pipeline.cli.console import console
    from pipeline.report.rule_page import show_rule, whole_rule_json
    from rules import load_every_rule

    rules = {rule.id: rule for rule in load_every_rule()}
    rule = rules.get(rule_id)
    if rule is None:
        near = "、".join(difflib.get_close_matches(rule_id, rules))
        hint = f"（是不是 did you mean: {near}）" if near else ""
        raise click.UsageError(f"沒有這條規則 no such rule: {rule_id}{hint}")
    if shape == "json":
        click.echo(orjson.dumps(whole_rule_json(rule)))
    else:
        show_rule(rule, console())
    return 0


@command.command("docs")
@click.option("--check", is_flag=True, help="只比對，過期則失敗 fail if a page is stale.")
@click.option(
    "--out",
    metavar="DIR",
    default="docs",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="寫到哪個資料夾 the folder to write to.",
)
def docs(check: bool, out: Path) -> int:
    """產生目錄網頁與 CATALOGUE.md。Write the catalogue: a page and Markdown.

    \b
    Examples:
      nhi-upload rules docs
      nhi-upload rules docs --check
    """
    from pipeline.report.catalogue.pages import pages
    from rules import load_every_rule, load_plan

    stale = 0
    for name, text in pages(load_every_rule(), load_plan()).items():
        path = out / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        elif not path.is_file() or path.read_bytes() != text.encode():
            click.echo(f"{path} 已過期 is stale: run nhi-upload rules docs", err=True)
            stale = 1
    return stale

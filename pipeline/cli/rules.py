"""``nhi-upload rules``: the catalogue for people and for machines."""

from __future__ import annotations

import difflib
from importlib.resources import as_file, files
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

    from pipeline.report.rule_page import rule_json
    from rules import load_rules

    for rule in load_rules():
        now = rule.current
        if code not in (None, now.code) or field not in (None, rule.field):
            continue
        if shape == "json":
            click.echo(orjson.dumps(rule_json(rule)))
        else:
            click.echo(f"{rule.id:<48} {now.code:<5} {rule.field:<4} {now.severity:<6} "
                       f"{rule.decided_by:<9} {now.summary.zh}")  # fmt: skip
    return 0


@command.command("show")
@click.argument("rule_id", metavar="ID")
@_SHAPE
def show(rule_id: str, shape: str) -> int:
    """顯示一條規則。Show one rule whole.

    \b
    Example:
      nhi-upload rules show required/M15
    """
    import orjson

    from pipeline.cli.console import console
    from pipeline.report.rule_page import rule_json, show_rule
    from rules import load_rules

    rules = {rule.id: rule for rule in load_rules()}
    rule = rules.get(rule_id)
    if rule is None:
        near = "、".join(difflib.get_close_matches(rule_id, rules))
        hint = f"（是不是 did you mean: {near}）" if near else ""
        raise click.UsageError(f"沒有這條規則 no such rule: {rule_id}{hint}")
    if shape == "json":
        click.echo(orjson.dumps(rule_json(rule)))
    else:
        show_rule(rule, console())
    return 0


@command.command("docs")
@click.option("--check", is_flag=True, help="只比對，過期則失敗 fail if the page is stale.")
def docs(check: bool) -> int:
    """產生 rules/CATALOGUE.md。Write the catalogue page.

    \b
    Example:
      nhi-upload rules docs --check
    """
    from pipeline.report.catalogue_page import catalogue_page
    from rules import load_rules

    page = catalogue_page(load_rules())
    with as_file(files("rules").joinpath("CATALOGUE.md")) as path:
        if not check:
            path.write_text(page, encoding="utf-8")
        elif not _holds(path, page):
            click.echo("rules/CATALOGUE.md 已過期 is stale: run nhi-upload rules docs", err=True)
            return 1
    return 0


def _holds(path: Path, page: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == page

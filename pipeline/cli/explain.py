"""``nhi-upload explain``: what an error code means and what to do."""

from __future__ import annotations

import click


@click.command("explain", short_help="說明錯誤代碼 explain an error code")
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
def command(codes: tuple[str, ...], shape: str) -> int:
    """說明錯誤代碼的意思與改法。Explain error codes as a receipt writes them.

    \b
    Examples:
      nhi-upload explain AA
      nhi-upload explain M15:AA 'D05[1]:AF;'
      nhi-upload explain M15:AA --format json
      nhi-upload explain R034
    """
    import orjson

    from pipeline.cli.console import console
    from pipeline.report.explanation import (
        UnknownCodeError,
        explain,
        explanation_json,
        explanations,
    )
    from pipeline.report.register_rules import code_of, rules_of_codes, tell_rules
    from pipeline.report.rule_page import whole_rule_json
    from rules import load_every_rule, load_rules
    from rules.registrations import registration_catalogue

    asked = [one for text in codes for one in text.split(";") if one.strip()]
    registration = rules_of_codes(load_rules(registration_catalogue()), asked)
    known = {rule.current.code for rule in registration}
    try:
        of_visits = [one for one in asked if code_of(one) not in known]
        said = explanations(of_visits, load_every_rule())
    except UnknownCodeError as unknown:
        raise click.UsageError(str(unknown)) from None
    for one in said:
        if shape == "json":
            click.echo(orjson.dumps(explanation_json(one)))
        else:
            explain(one, console())
    if shape == "json":
        for rule in registration:
            click.echo(orjson.dumps(whole_rule_json(rule)))
    else:
        tell_rules(registration, console())
    return 0

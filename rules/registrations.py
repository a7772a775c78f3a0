"""The rules on card-registration files: a rule set of its own, in the same language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from rules.compile import compile_rules
from rules.load import load_rules
from rules.plan import Plan


def registration_catalogue() -> Path:
    """The folder of these rules."""
    return Path(str(files("rules").joinpath("register")))


@cache
def load_registration_plan() -> Plan:
    """The plan of these rules, compiled once."""
    return compile_rules(load_rules(registration_catalogue()))

"""The page of variables is that of the table, and nothing reads the environment beside it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.configuration import build, main
from pipeline.limits import Limits
from pipeline.settings import PREFIX, VARIABLES, OidcSettings, Settings, read_settings

ROOT = Path(__file__).parents[2]
SAMPLES = {"1 or 0": "1", "bytes": "7", "records": "7", "times": "7", "days": "7",
           "per second, minute, hour or day": "7/hour"}  # fmt: skip


def test_the_page_is_fresh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8") == build()
    page = tmp_path / "page.md"
    assert main(["--check", "--out", str(page)]) == 1
    assert "is stale" in capsys.readouterr().err
    assert main(["--out", str(page)]) == main(["--check", "--out", str(page)]) == 0


def test_every_setting_has_its_variable() -> None:
    read = {(one.part in ("limits", "oidc") and one.part, one.setting) for one in VARIABLES}
    own = {(False, one.name) for one in fields(Settings)} - {
        (False, "limits"), (False, "oidc"), (False, "kafka"),
    }  # fmt: skip
    assert {one for one in read if not one[0]} == own
    assert {setting for part, setting in read if part == "limits"} <= {
        one.name for one in fields(Limits)
    }
    assert {s for part, s in read if part == "oidc"} == {one.name for one in fields(OidcSettings)}


@pytest.mark.parametrize("one", VARIABLES, ids=lambda one: one.name)
def test_every_variable_changes_its_setting(one: object) -> None:
    environment = {
        other.full_name: SAMPLES.get(other.unit, "x.example")
        for other in VARIABLES
        if other.part == "oidc" or other is one
    }
    assert read_settings(environment) != read_settings(
        {name: text for name, text in environment.items() if "OIDC" in name and one.part != "oidc"}  # type: ignore[attr-defined]
    )


def test_whoever_sets_a_variable_means_one_that_is_read() -> None:
    known = {one.full_name for one in VARIABLES} | {f"{PREFIX}KAFKA"}
    for folder in ("ops", "docs", "pipeline"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".md", ".yml", ".yaml", ".py", ".service", ".cron"}:
                named = re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]", path.read_text("utf-8"))
                strange = {
                    n for n in named if n not in known and not n.startswith(f"{PREFIX}KAFKA")
                }
                assert not strange, path


def test_nothing_else_reads_our_variables() -> None:
    for package in ("schemas", "rules", "pipeline"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if path.name != "settings.py" and re.search(r"\b(environ|getenv)\b", text):
                names = re.findall(r"[\"']([A-Z][A-Z0-9_]{3,})[\"']", text)
                assert names, path
                assert not [name for name in names if name.startswith(PREFIX)], path
                assert set(named(path)) <= set(re.findall(r"[A-Z][A-Z0-9_]{3,}", build())), path


def named(path: Path) -> list[str]:
    """The variables that a file reads."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"environ(?:\.get\(|\[)[\"']([A-Z][A-Z0-9_]{3,})[\"']", text)

"""``nhi-upload store``: what it says, and its exit codes."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from store_oracle import contents

from pipeline.cli import main
from pipeline.run import RunOptions, run
from rules import load_plan

FIXTURES = Path(__file__).parents[1] / "fixtures"
OPTIONS = RunOptions(
    received_at=datetime.fromisoformat("2025-04-02T20:55:00+08:00"), batch_uploads=4,
    commit_uploads=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("made") / "store"
    run([FIXTURES / "samples"], store, load_plan(), OPTIONS)
    return store


@pytest.fixture
def store(made: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(made, tmp_path / "store"))


def lines(said: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.splitlines()]


def test_compact_then_vacuum(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(Path(store))
    assert main(["store", "compact", "--store", store, "--format", "json"]) == 0
    joined = lines(capsys.readouterr().out)
    assert ["uploads"] in [one["tables"] for one in joined]
    assert main(["store", "compact", "--store", store]) == 0
    assert "nothing to join" in capsys.readouterr().out
    assert main(["store", "vacuum", "--store", store]) == 0
    assert "removed: 0 檔 files" in capsys.readouterr().out
    arguments = ["store", "vacuum", "--store", store, "--retain-hours", "0"]
    assert main([*arguments, "--dry-run"]) == 0
    *named, summary = capsys.readouterr().out.splitlines()
    assert len(named) > 5
    assert all((Path(store) / "tables" / path).exists() for path in named)
    assert "would remove" in summary
    assert main([*arguments, "--format", "json"]) == 0
    found = lines(capsys.readouterr().out)
    assert sum(len(one["files"]) for one in found if isinstance(one["files"], list)) == len(named)
    assert not any((Path(store) / "tables" / path).exists() for path in named)
    assert contents(Path(store)) == before
    assert main(["store", "verify", "--store", store]) == 0


def test_more_than_a_week_can_not_be_kept(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "vacuum", "--store", store, "--retain-hours", "169"]) == 64
    assert "0<=x<=168" in capsys.readouterr().err


def test_migrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(FIXTURES / "stores" / "format-1.zip") as packed:
        packed.extractall(tmp_path)
    store = str(tmp_path / "store")
    assert main(["store", "verify", "--store", store]) == 70
    assert "store migrate" in capsys.readouterr().err
    for told in (True, False):
        assert main(["store", "migrate", "--store", store]) == 0
        said = capsys.readouterr()
        assert "of format 3" in said.out
        assert ("from format 1 to 3" in said.err) == told
    assert main(["store", "verify", "--store", store]) == 0


@pytest.mark.parametrize("command", ["verify", "compact", "vacuum", "migrate"])
def test_no_store_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main(["store", command, "--store", str(tmp_path / "none")]) == 70
    assert "There is no store at" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["verify", "compact", "vacuum", "migrate", "rebuild-state"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", command, "--help"]) == 0
    assert f"nhi-upload store {command} --store ./store" in capsys.readouterr().out

"""The compose file: whole, closed, and every command in it one of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.settings import read_settings
from tests.ops_commands import understood

ROOT = Path(__file__).parents[2]
FILE = ROOT / "ops" / "compose.yml"
TOOLS = ROOT / ".venv" / "tools"
COMPOSE = yaml.safe_load(FILE.read_text(encoding="utf-8"))
OURS = {name: one for name, one in COMPOSE["services"].items() if "build" in one}


def checked_by() -> list[str]:
    """A program that reads compose files as an engine's client does."""
    if shutil.which("docker") and not subprocess.run(
        ["docker", "compose", "version"], capture_output=True
    ).returncode:  # fmt: skip
        return ["docker", "compose", "-f", str(FILE), "config", "--quiet"]
    if found := shutil.which("compose-spec", path=TOOLS):
        return [found, "-no-interpolation", str(FILE)]
    pytest.skip("neither docker compose nor Go to build its reader is on this machine")


def test_a_client_takes_it() -> None:
    environment = os.environ | {"GRAFANA_PASSWORD": "x"}
    done = subprocess.run(checked_by(), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", OURS)
def test_ours_are_closed_and_understood(name: str) -> None:
    one = OURS[name]
    assert one["read_only"] is True
    assert one["restart"] == "unless-stopped"
    assert any(place.startswith("/tmp") for place in one["tmpfs"])
    understood(one["command"])
    assert "9464" in one["command"][one["command"].index("--metrics-port") + 1]
    assert "127.0.0.1:9464/healthz" in one["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_all_are_bounded_and_without_rights(name: str) -> None:
    one = COMPOSE["services"][name]
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert set(one["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert one["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    assert re.fullmatch(r"[\w./-]+:(v?\d[\w.]*|\$\{\w+:-latest\})", one["image"])
    mounted = {volume.partition(":")[0] for volume in one.get("volumes", ())}
    for volume in mounted:
        here = volume.startswith("./") and (FILE.parent / volume).exists()
        assert here or volume in COMPOSE["volumes"]


def test_names_of_members_are_their_own() -> None:
    commands = [one["command"] for one in OURS.values() if "worker" in one["command"]]
    members = [command[command.index("--member") + 1] for command in commands]
    assert sorted(members) == ["merge-1", "merge-2", "validate-1", "validate-2"]
    assert set(members) <= set(OURS)


def test_states_are_on_a_volume_and_where_the_setting_says() -> None:
    for name in ("merge-1", "merge-2"):
        mounts = dict(reversed(volume.split(":")) for volume in OURS[name]["volumes"])
        settings = read_settings(OURS[name]["environment"])
        assert (mounts[settings.state], mounts[settings.store_uri]) == ("state", "store")


def test_prometheus_asks_everyone_and_grafana_shows_it() -> None:
    asked = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text("utf-8"))
    targets: list[Any] = [
        target
        for job in asked["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    assert {target.partition(":")[0] for target in targets} == set(OURS)
    assert all(job["job_name"].startswith("nhi-upload-") for job in asked["scrape_configs"])
    mounts = dict(v.split(":")[:2] for v in COMPOSE["services"]["grafana"]["volumes"])
    provider = yaml.safe_load(
        (ROOT / "ops/grafana/provisioning/dashboards/nhi-upload.yml").read_text("utf-8")
    )
    path = provider["providers"][0]["options"]["path"]
    assert mounts["./grafana/nhi-upload.json"].startswith(path)

"""What operators look at: alerts that fire when they should, dashboards of what is counted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from pipeline.metrics import Metrics

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
RULES = OPS / "prometheus" / "alerts.yml"
TOOLS = ROOT / ".venv" / "tools"
BILINGUAL = re.compile(r"[^A-Za-z]*[\u4e00-\u9fff].*[A-Za-z]{2}", re.DOTALL)
ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> Iterator[dict[str, Any]]:
    for path in sorted((OPS / "grafana").glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def expressions() -> Iterator[str]:
    for alert in alerts():
        yield alert["expr"]
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def counted() -> set[str]:
    """The names under which our processes, and the nightly report, tell what they count."""
    metrics = Metrics()
    metrics.watch_disk(ROOT)
    names = {
        family.name + ending
        for family in metrics.registry.collect()
        for ending in ENDINGS[family.type]
    }
    return names | {"nhi_upload_nightly_last_success_timestamp_seconds"}


def promtool(*arguments: str) -> str:
    found = shutil.which("promtool") or shutil.which(TOOLS / "promtool")
    if found is None:
        pytest.skip("promtool is not on this machine; ops/test-machine.sh brings it")
    done = subprocess.run(
        [found, *arguments], cwd=OPS / "prometheus", capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_and_their_configuration_are_valid() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "--lint=all", "alerts.yml")
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_every_alert_fires_when_it_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_every_alert_is_tried_both_ways() -> None:
    tests = yaml.safe_load((OPS / "prometheus" / "alerts_test.yml").read_text(encoding="utf-8"))
    tried = [one for test in tests["tests"] for one in test["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {one["alertname"] for one in tried if one["exp_alerts"]} == names
    assert {one["alertname"] for one in tried if not one["exp_alerts"]} >= names - {
        "NhiUploadDiskFull"  # the disk that is only low does not fire it: beside the one that does
    }


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    runbook = (OPS / "RUNBOOK.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)$(.*?)(?=^##)", runbook + "\n##", re.MULTILINE | re.DOTALL)
    told = {name: text for name, text in sections if name.startswith("NhiUpload")}
    assert list(told) == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        notes, name = alert["annotations"], alert["alert"]
        assert alert["labels"]["severity"] in {"warning", "critical"}
        for text in (notes["summary"], notes["description"]):
            assert BILINGUAL.match(re.sub(r"\{\{.*?\}\}", "", text)), name
        assert notes["runbook_url"] == f"ops/RUNBOOK.md#{name.lower()}"
        assert {"**Means.**", "**Look.**", "**Do.**"} <= set(
            re.findall(r"\*\*\w+\.\*\*", told[name])
        )


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_is_asked_for_is_counted(expression: str) -> None:
    asked = set(re.findall(r"\b(?:nhi_upload|process)_\w+", expression))
    assert asked <= counted() or asked == {"up"}


def test_everything_counted_for_is_on_the_dashboard() -> None:
    shown = " ".join(expressions())
    unseen = {name for name in counted() if not name.endswith(("_sum", "_count"))} - set(
        re.findall(r"\b\w+\b", shown)
    )
    assert {name for name in unseen if name.startswith("nhi_upload")} == set()


def test_grafana_understands_all_of_a_dashboard() -> None:
    """By the types that Grafana generates from its own code: what they don't know is not kept."""
    register_default_plugins()
    for dashboard in dashboards():
        read = Dashboard.from_json(dashboard)
        kept = json.loads(JSONEncoder().encode(read))
        assert not list(not_in(kept, dashboard))


def not_in(kept: Any, given: Any, place: str = "") -> Iterator[str]:
    """Where something given is not kept as it is."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from not_in(kept.get(name), value, f"{place}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (left, value) in enumerate(zip(kept, given, strict=True)):
            yield from not_in(left, value, f"{place}[{number}]")
    elif kept != given:
        yield place


def test_dashboards_have_room_for_every_panel() -> None:
    for dashboard in dashboards():
        cells = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not own & cells, panel["title"]
            cells |= own
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])

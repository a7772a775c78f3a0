"""The manifests: rendered, every reference resolves, every pod is watched, bounded and closed."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.settings import read_settings
from pipeline.store.layout import layout_of
from tests.ops_commands import understood

ROOT = Path(__file__).parents[2] / "ops" / "kubernetes"
Manifest = dict[str, Any]
KINDS = ("StatefulSet", "Deployment")


@cache
def manifests(name: str) -> tuple[Manifest, ...]:
    """What a kustomization comes to: by kubectl where it is, else its resources as they stand."""
    if found := shutil.which("kubectl"):
        done = subprocess.run(
            [found, "kustomize", str(ROOT / name)], capture_output=True, text=True, check=True
        )
        return tuple(yaml.safe_load_all(done.stdout))
    listed = yaml.safe_load((ROOT / name / "kustomization.yaml").read_text())["resources"]
    if "../base" in listed:
        pytest.skip("only kubectl renders what changes another")
    return tuple(m for f in listed for m in yaml.safe_load_all((ROOT / name / f).read_text()))


def of(*kinds: str, name: str = "base") -> list[Manifest]:
    return [one for one in manifests(name) if one["kind"] in kinds]


def pods() -> list[Any]:
    return [
        pytest.param(one, one["spec"]["template"], id=one["metadata"]["name"]) for one in of(*KINDS)
    ]


def chosen(selector: dict[str, Any]) -> set[str]:
    """The components a label selector means."""
    found = set()
    for one in of(*KINDS):
        labels = one["spec"]["template"]["metadata"]["labels"]
        same = selector.get("matchLabels", {}).items() <= labels.items()
        within = all(
            labels.get(term["key"]) in term["values"]
            for term in selector.get("matchExpressions", ())
        )
        if same and within:
            found.add(one["metadata"]["name"])
    return found


def test_everything_that_is_there_is_rendered() -> None:
    assert {one["metadata"]["name"] for one in of(*KINDS)} == {"validate", "merge", "serve"}
    for folder in ROOT.iterdir():
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        files = {path.name for path in folder.glob("*.yaml")}
        assert {*listed, "kustomization.yaml"} == files | ({"../base"} & {*listed})
        if "../base" not in listed or shutil.which("kubectl"):
            assert manifests(folder.name)


@pytest.mark.parametrize(("owner", "pod"), pods())
def test_a_pod_has_no_rights_and_its_bounds(owner: Manifest, pod: Manifest) -> None:
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert set(container["resources"]) == {"requests", "limits"}
    known = {volume["name"] for volume in spec["volumes"]}
    known |= {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", ())}
    assert {mount["name"] for mount in container["volumeMounts"]} == known
    assert owner["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize(("owner", "pod"), pods())
def test_a_pod_runs_a_command_of_ours_and_is_asked_where_it_answers(
    owner: Manifest, pod: Manifest
) -> None:
    (container,) = pod["spec"]["containers"]
    understood(container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(ports["metrics"]) == container["args"][container["args"].index("--metrics-port") + 1]
    probes = [container[f"{one}Probe"]["httpGet"] for one in ("startup", "liveness", "readiness")]
    assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
    assert {probe["port"] for probe in probes} == {"metrics"}
    if owner["kind"] == "StatefulSet":
        assert container["args"][container["args"].index("--member") + 1] == "$(POD_NAME)"


def test_settings_are_read() -> None:
    lines = (ROOT / "base" / "settings.env").read_text().split()
    environment = dict(line.split("=", 1) for line in lines)
    settings = read_settings(environment)
    assert settings.store_uri
    assert settings.bootstrap_servers
    named = re.findall(r"NHI_UPLOAD_[A-Z_]+", str(manifests("base")))
    assert set(environment) <= set(named) or not shutil.which("kubectl")


def test_every_component_has_its_service_and_budget() -> None:
    components = {"validate", "merge", "serve"}
    services = {one["metadata"]["name"]: one["spec"] for one in of("Service")}
    assert set(services) == components
    for name, service in services.items():
        assert chosen({"matchLabels": service["selector"]}) == {name}
    for one in of("StatefulSet"):
        assert services[one["spec"]["serviceName"]]["clusterIP"] == "None"
    for budget in of("PodDisruptionBudget"):
        assert chosen(budget["spec"]["selector"]) == {budget["metadata"]["name"]}
    assert len(of("PodDisruptionBudget")) == 3


def test_who_may_speak_to_whom() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of("NetworkPolicy")}
    assert policies["closed"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert chosen(policies["serve"]["podSelector"]) == {"serve"}
    assert chosen(policies["metrics"]["podSelector"]) == {"validate", "merge", "serve"}
    ports = [rule["ports"] for name in ("serve", "metrics") for rule in policies[name]["ingress"]]
    assert ports == [[{"port": "http"}], [{"port": "metrics"}]]


def test_claims_and_volumes_are_there() -> None:
    claims = {one["metadata"]["name"] for one in of("PersistentVolumeClaim")}
    for one in of(*KINDS):
        for volume in one["spec"]["template"]["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


def environment(pod: Manifest, name: str = "base") -> dict[str, str]:
    """What the environment of a pod says, but for secrets and what only a cluster knows."""
    (container,) = pod["spec"]["containers"]
    (settings,) = of("ConfigMap", name=name)
    assert container["envFrom"][0]["configMapRef"]["name"] == settings["metadata"]["name"]
    own = {one["name"]: one["value"] for one in container.get("env", ()) if "value" in one}
    return dict(settings["data"]) | own


@pytest.mark.skipif(not shutil.which("kubectl"), reason="only kubectl makes the settings")
@pytest.mark.parametrize("name", ["base", "object-storage"])
def test_whatever_is_written_is_on_a_volume(name: str) -> None:
    """The root of a pod is read-only; states are on a disk of its own, wherever the store is."""
    for owner in of(*KINDS, name=name):
        pod = owner["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        own = {one["metadata"]["name"] for one in owner["spec"].get("volumeClaimTemplates", ())}
        volumes = {one["name"] for one in pod["spec"]["volumes"]} | own
        assert set(mounts.values()) == volumes
        settings = read_settings(environment(pod, name))
        assert mounts.get(settings.store_uri) == ("store" if name == "base" else None)
        assert layout_of(settings.store_uri).disk == (Path("/store") if name == "base" else None)
        merges = owner["metadata"]["name"] == "merge"
        assert (settings.state is not None) is merges
        assert mounts.get(settings.state) == ("state" if merges else None)
        assert own == ({"state"} if merges else set())
    claims = {one["metadata"]["name"] for one in of("PersistentVolumeClaim", name=name)}
    assert claims == ({"store"} if name == "base" else set())


@pytest.mark.skipif(not shutil.which("kubectl"), reason="only kubectl renders what changes another")
def test_what_is_scaled_says_nothing_of_how_many() -> None:
    """Else every apply would set back what KEDA has scaled."""
    told = {one["metadata"]["name"]: one["spec"] for one in of(*KINDS, name="scaling")}
    assert {name for name, spec in told.items() if "replicas" not in spec} == {"validate"}
    assert all("replicas" in one["spec"] for one in of(*KINDS))


def test_monitors_and_scaling_mean_what_is_there() -> None:
    (monitor,) = of("ServiceMonitor", name="monitoring")
    assert chosen(monitor["spec"]["selector"]) == {"validate", "merge", "serve"}
    (scaled,) = yaml.safe_load_all((ROOT / "scaling" / "validate.yaml").read_text())
    target = scaled["spec"]["scaleTargetRef"]
    assert [one["metadata"]["name"] for one in of(target["kind"])].count(target["name"]) == 1
    from pipeline.stream.topics import WAYS, Stream

    (trigger,) = scaled["spec"]["triggers"]
    stream = Stream(0)
    assert trigger["metadata"]["topic"] in stream.topics
    assert trigger["metadata"]["consumerGroup"] == stream.topic("validate")
    assert scaled["spec"]["maxReplicaCount"] == WAYS

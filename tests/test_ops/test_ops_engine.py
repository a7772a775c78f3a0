"""The image in a container engine, as ops/compose.yml runs it: closed, without rights, and quick.

Skipped where no engine answers, or the bases of the Dockerfile are neither there nor to be had.
``NHI_TEST_IMAGE`` names an image that is built already.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ops.image_steps import instructions

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "fixtures" / "samples"
MIXED = "/in/14_mixed_batch_with_errors.xml"
AT = "2025-05-01T12:00+08:00"
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def docker(*words: str) -> Done:
    return subprocess.run(["docker", *words], capture_output=True, text=True)


def said(done: Done) -> str:
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def image() -> str:
    try:
        if docker("info").returncode:
            pytest.skip("no container engine answers")
    except FileNotFoundError:
        pytest.skip("no container engine is here")
    if built := os.environ.get("NHI_TEST_IMAGE"):
        return built
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        base = rest.partition("=")[2]
        missing = word == "ARG" and docker("image", "inspect", base).returncode
        if missing and docker("pull", base).returncode:
            pytest.skip(f"{base} is not to be had")
    done = docker("build", "--tag", "nhi-upload:tests", str(ROOT))
    assert done.returncode == 0, done.stderr
    return "nhi-upload:tests"


@pytest.fixture
def run(image: str) -> Iterator[Run]:
    """A container bounded like a merge worker of compose, with volumes of its own."""
    composed = yaml.safe_load((ROOT / "ops" / "compose.yml").read_text("utf-8"))
    ours, fresh = composed["services"]["merge-1"], f"nhi-upload-{uuid.uuid4()}"
    assert ours["read_only"]
    bounds = ["--read-only", "--network=none", f"--volume={SAMPLES}:/in:ro"]
    bounds += [f"--volume={fresh}-{volume}" for volume in ours["volumes"]]
    bounds += [f"--tmpfs={place}" for place in ours["tmpfs"]]
    bounds += [f"--cap-drop={right}" for right in ours["cap_drop"]]
    bounds += [f"--security-opt={one}" for one in ours["security_opt"]]

    def running(*command: str, options: tuple[str, ...] = ("--rm",)) -> Done:
        return docker("run", *options, *bounds, image, *command)

    yield running
    docker("volume", "rm", *(f"{fresh}-{volume.split(':')[0]}" for volume in ours["volumes"]))


def test_a_first_upload_compiles_nothing_and_writes_nothing(run: Run) -> None:
    done = run("check", MIXED, "--format", "json", "--as-of", AT)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout.splitlines()[0])["counts"]["records_rejected"]


def test_nobody_runs_it_and_nothing_but_its_volumes_can_be_written(run: Run) -> None:
    who = ("--rm", "--entrypoint=sh")
    done = run("-c", "id -u; touch /store/it /state/it /tmp/it; touch /opt/kernels/it", options=who)
    assert done.stdout == "10001\n"
    assert "/opt/kernels/it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_store_in_a_volume_is_whole(run: Run) -> None:
    assert run("run", MIXED, "--store", ".", "--received-at", AT).returncode == 0
    assert run("store", "verify", "--store", ".").returncode == 0


def test_the_service_ends_when_it_is_told(run: Run) -> None:
    name = f"nhi-upload-{uuid.uuid4()}"
    run("serve", "--store", ".", options=("--detach", f"--name={name}"))
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and "ready" not in said(docker("logs", name)):
            time.sleep(0.2)
        docker("stop", "--time=100", name)
        assert docker("inspect", "--format={{.State.ExitCode}}", name).stdout == "0\n"
    finally:
        docker("rm", "--force", name)

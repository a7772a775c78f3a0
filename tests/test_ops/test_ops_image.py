"""The image: its instructions are sound, and do what they should when they are run in order."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from bench.kafka import free_port
from ops.image_steps import Image, StepError, build, instructions

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
NOT_SHIPPED = {"libtbb.so.12"}
"""Libraries that a package can do without, and comes without."""
MOST_BYTES = 850 << 20
MIXED = ROOT / "tests/fixtures/samples/14_mixed_batch_with_errors.xml"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(DOCKERFILE, ROOT, tmp_path_factory.mktemp("image") / "root")


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "tmp"
    }


def answer(url: str) -> int:
    """The status of an answer, once there is one."""
    until = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=10) as got:
                return int(got.status)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_kernels_are_compiled_for_the_processors_they_run_on() -> None:
    told = [said for word, said in instructions(DOCKERFILE.read_text()) if word == "ENV"]
    build_stage, last = ({p for p in said.split() if p.startswith("NUMBA_")} for said in told)
    assert build_stage == last
    assert len(last) == 3


def test_an_upload_is_checked_as_fast_as_any_and_nothing_is_written(image: Image) -> None:
    before = files(image.root)
    done = image.run("check", str(MIXED), "--format", "json", "--as-of", "2025-05-01T12:00")
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[0])["counts"]["records_rejected"]
    assert done.stderr == ""  # nothing had to be compiled
    assert files(image.root) == before  # the root may be read-only


def test_a_store_is_written_in_its_volume(image: Image) -> None:
    store = image.root / "store"
    done = image.run("run", str(MIXED), "--store", ".", "--received-at", "2025-05-01T12:00+08:00")
    assert done.returncode == 0, done.stderr
    assert (store / "tables" / "uploads").is_dir()


def test_the_service_answers_and_ends_when_it_is_told(image: Image) -> None:
    port = free_port()
    served = image.start("serve", "--store", "served", "--port", str(port))
    try:
        assert answer(f"http://127.0.0.1:{port}/readyz") == 200
        served.terminate()
        assert served.wait(60) == 0
    finally:
        served.kill()
        served.communicate()


def test_a_night_is_reported(image: Image) -> None:
    done = image.run("report", "nightly", "--store", ".", "--out", "reports")
    assert done.returncode == 0, done.stderr
    assert (image.root / "store" / "reports" / "latest" / "country.json").is_file()


def test_the_image_says_what_it_does_for_somebody_who_is_nobody(image: Image) -> None:
    assert image.told["USER"] == "10001"
    assert (image.told["VOLUME"], image.told["STOPSIGNAL"]) == ("/store", "SIGTERM")
    assert "worker" in image.run().stdout


def test_places_for_volumes_belong_to_who_runs_it(image: Image) -> None:
    """An engine gives a new volume the owner that its place has in the image."""
    services = yaml.safe_load((ROOT / "ops" / "compose.yml").read_text("utf-8"))["services"]
    places = {
        volume.split(":")[1]
        for one in services.values() if "build" in one
        for volume in one["volumes"]
    }  # fmt: skip
    (owned,) = (line for line in (image.root / "told").read_text().splitlines() if "chown" in line)
    assert set(owned.split()) == {"chown", "nhi", *(str(image.place(one)) for one in places)}
    assert all(image.place(one).is_dir() for one in places)


def test_the_image_holds_the_wheel_and_no_tools(image: Image) -> None:
    assert not list(image.root.rglob("pip")) + list(image.root.rglob("tests/conftest.py"))
    assert not (image.root / "build").exists()
    assert sum(path.lstat().st_size for path in image.root.rglob("*")) < MOST_BYTES
    (site,) = image.root.glob("opt/nhi/lib/python*/site-packages")
    assert {"pipeline", "rules", "schemas"} <= {path.name for path in site.iterdir()}
    assert not {"pytest", "mypy", "playwright", "hatchling"} & {p.name for p in site.iterdir()}


def test_every_library_loads_though_it_was_stripped(image: Image) -> None:
    loads = """
import ctypes, pathlib, sys
import numpy, psycopg, pyarrow  # these bring libraries of their own that others want
for library in sorted(pathlib.Path(numpy.__file__).parents[1].rglob("*.so*")):
    try:
        ctypes.CDLL(str(library))
    except OSError as reason:
        print(reason)
"""
    python = image.place("/opt/nhi/bin/python")
    done = subprocess.run([python, "-c", loads], capture_output=True, text=True, check=True)
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} <= NOT_SHIPPED


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM x\nCOPY tests tests", "keeps it out"),
        ("FROM x\nCOPY rules/none rules", "not there"),
        ("FROM x\nRUN true \\\n && false", "RUN true"),
        ("FROM x\nADD a b", "not known"),
        ("FROM x AS one\nRUN mkdir /opt\nFROM x\nCOPY --from=one /opt/it /opt/it", "not there"),
        ("FROM x AS one\nRUN mkdir /opt\nFROM x\nRUN ls /opt", "No such file"),
    ],
)
def test_a_step_that_fails_is_told(tmp_path: Path, dockerfile: str, reason: str) -> None:
    written = tmp_path / "Dockerfile"
    written.write_text(dockerfile)
    with pytest.raises(StepError, match=reason):
        build(written, ROOT, tmp_path / "root")

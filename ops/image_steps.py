"""Run the steps of the Dockerfile without a container engine: that each works, in its order.

    python ops/image_steps.py FOLDER check upload.xml

FOLDER stands for the root of the image: absolute paths of the instructions lie below it, and the
Python here stands for the base image's. A new stage begins with an empty root and gets from others
what its COPY instructions take. What belongs to the machine (users, owners) is written down and not
done. In the end the image's entry point runs with what follows, in the environment of the image.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parents[1]
_ROOTED = re.compile(r"(?<![\w./-])/(?=(?:opt|build|store|state|tmp|dist)\b)")
_FOR_THE_MACHINE = ("useradd", "chown")
_ONLY_TOLD = {"VOLUME", "EXPOSE", "STOPSIGNAL", "USER", "LABEL"}


class StepError(Exception):
    """An instruction that fails, or that this program does not know."""


@dataclass
class Image:
    """What the instructions came to. ``root`` stands for ``/``."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    told: dict[str, str] = field(default_factory=dict)
    """Instructions that are facts for an engine, such as USER; the last of each counts."""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Where a path of the image lies here."""
        return self.root / os.path.normpath("/" + os.path.join(self.folder, path)).lstrip("/")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The entry point with arguments, or with the command of the image."""
        command = [*self.entrypoint, *(arguments or self.command)]
        found = shutil.which(command[0], path=self.environment["PATH"])
        if found is None:
            raise StepError(f"{command[0]} is not on the PATH of the image")
        return subprocess.Popen(  # noqa: S603  the image's own entry point
            [found, *command[1:]], cwd=self.place("."), env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As ``start``, to the end."""
        with self.start(*arguments) as started:
            out, err = started.communicate()
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and what each says, lines that go on joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    split = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in split]


def build(dockerfile: Path, context: Path, root: Path) -> Image:
    """Do what a Dockerfile says. ``root`` must not be there yet. Raises ``StepError``."""
    image, stages, arguments, name = Image(root), dict[str, Path](), dict[str, str](), ""
    allowed = _let_through(context)
    for word, said in instructions(dockerfile.read_text(encoding="utf-8")):
        if word == "ARG":
            key, _, value = said.partition("=")
            arguments.setdefault(key, value)
        elif word == "FROM":
            if name:
                stages[name] = root.with_name(f"{root.name}.{name}")
                root.rename(stages[name])
            name = said.partition(" AS ")[2] or "last"
            image = _begun(root)
        elif word == "ENV":
            for pair in shlex.split(said):
                key, _, value = pair.partition("=")
                image.environment[key] = _expanded(_here(value, root), image.environment)
        elif word == "WORKDIR":
            image.folder = said
            image.place(".").mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(image, said, context, allowed, stages)
        elif word == "RUN":
            _run(image, said)
        elif word == "ENTRYPOINT":
            image.entrypoint = json.loads(said)
        elif word == "CMD":
            image.command = json.loads(said)
        elif word in _ONLY_TOLD:
            image.told[word] = said
        else:
            raise StepError(f"{word} is not known here")
    return image


def _begun(root: Path) -> Image:
    """A stage on a fresh base: Python, a shell, and nothing else of ours."""
    tools = root / "usr" / "bin"
    tools.mkdir(parents=True)
    (root / "tmp").mkdir()
    python = getattr(sys, "_base_executable", sys.executable)
    shims = {"python": f'exec {shlex.quote(python)} "$@"'}
    shims |= {one: f'echo "{one} $*" >> {root}/told' for one in _FOR_THE_MACHINE}
    for shim, does in shims.items():
        (tools / shim).write_text(f"#!/bin/sh\n{does}\n")
        (tools / shim).chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
    kept |= {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(root / "tmp"), "LANG": "C.UTF-8"}
    return Image(root, kept | {"TMPDIR": str(root / "tmp")})


def _let_through(context: Path) -> set[str]:
    """What the .dockerignore lets through: it shuts everything out, then names what is taken."""
    lines = (context / ".dockerignore").read_text().split()
    if lines[0] != "*":
        raise StepError("the .dockerignore is expected to begin with *")
    return {line[1:] for line in lines if line.startswith("!")}


def _copy(
    image: Image, said: str, context: Path, allowed: set[str], stages: dict[str, Path]
) -> None:
    words = said.split()
    stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
    *sources, last = words
    for source in sources:
        if stage is not None:
            found = stages[stage] / source.lstrip("/")
        elif source.partition("/")[0] in allowed:
            found = context / source
        else:
            raise StepError(f"COPY {source}: the .dockerignore keeps it out")
        if not found.exists():
            raise StepError(f"COPY {source}: it is not there")
        target = image.place(last)
        if found.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if stage is None else None
            shutil.copytree(found, target, symlinks=True, ignore=ignored)
        else:
            target = target / found.name if last.endswith("/") else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target)


def _run(image: Image, said: str) -> None:
    done = subprocess.run(  # noqa: S603  the instructions are the Dockerfile's
        ["/bin/sh", "-ec", _here(said, image.root)], cwd=image.place("."), env=image.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StepError(f"RUN {said}\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")


def _here(text: str, root: Path) -> str:
    """A text with its absolute paths below the root."""
    return _ROOTED.sub(f"{root}/", text)


def _expanded(text: str, environment: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: environment.get(found[1], ""), text)


def main(arguments: list[str]) -> int:
    """Build, run, tell."""
    image = build(HERE / "Dockerfile", HERE, Path(arguments[0]).resolve())
    done = image.run(*arguments[1:])
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

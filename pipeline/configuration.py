"""Writes docs/CONFIGURATION.md from the table of ``pipeline.settings``.

``python -m pipeline.configuration`` writes the page, with ``--check`` it compares it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from pipeline.settings import PREFIX, VARIABLES, Part, Variable

PAGE: Final = Path("docs/CONFIGURATION.md")

_HEAD: Final = """\
# Configuration

What the environment says to every command, service and worker. It is read once, at the start; a
value that can't be read ends the program with 64 and names the variable. Options of a command go
before its variable. Made by `make docs` from `pipeline/settings.py`.
"""
_TITLES: Final[dict[Part, str]] = {
    "everything": "Everything",
    "limits": "Limits of an upload",
    "web": "The web service",
    "oidc": "Sign-ins at the insurer's provider",
    "stream": "The stream",
}
_HEADINGS: Final = "| variable | default | unit | means |\n|---|---|---|---|\n"
_TAIL: Final = f"""\
| `{PREFIX}KAFKA_…` | – | as the client says | Goes to the Kafka client (librdkafka) as it is: \
`{PREFIX}KAFKA_SECURITY_PROTOCOL` is its `security.protocol`. Passwords are **secret**. |

## Of others
Read by what we build on, not by us.

| variable | means |
|---|---|
| `NUMBA_CACHE_DIR` | where compiled kernels are kept; else beside the package, or in the \
user's cache (`XDG_CACHE_HOME`) |
| `NUMBA_CPU_NAME`, `NUMBA_CPU_FEATURES` | the processor kernels are compiled for; the \
image sets both |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` (**secret**), `AWS_REGION` or \
`AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` | for a store on S3-compatible \
object storage |
| `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | the collector that gets \
traces, by OTLP over HTTP; without it there are none (docs/TRACES.md) |
| `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` | `true`, or anything but `otlp`: no traces |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | of which uploads; else of all |
| `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_…`, `OTEL_EXPORTER_OTLP_…` | as \
OpenTelemetry's SDK reads them; `OTEL_EXPORTER_OTLP_HEADERS` may be **secret** |
| `TMPDIR` | where what is passing is written; states of workers without `--member` |
"""


def build() -> str:
    """The page."""
    parts = [_HEAD]
    for part, title in _TITLES.items():
        rows = "".join(_row(one) for one in VARIABLES if one.part == part)
        parts.append(
            f"\n## {title}\n| variable | default | unit | means |\n|---|---|---|---|\n{rows}"
        )
    return "".join(parts) + _TAIL


def _row(one: Variable) -> str:
    means = f"{one.means} **Secret.**" if one.secret else one.means
    return f"| `{one.full_name}` | {_shown(one.default)} | {one.unit or '–'} | {means} |\n"


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "–"
    return f"`{int(default) if isinstance(default, bool) else default}`"


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with ``--check`` compare it; 0 when it is (now) fresh, 1 when stale."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.configuration", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page is stale")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    out: Path = options.out
    if not options.check:
        out.write_text(build(), encoding="utf-8")
    elif not out.is_file() or out.read_text(encoding="utf-8") != build():
        print(f"{out} is stale: run `python -m pipeline.configuration`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

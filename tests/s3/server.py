"""Object storage for the tests: moto's server in a process of its own, or what is named.

``NHI_TEST_S3_ENDPOINT`` names S3-compatible storage, with the usual AWS_… credentials; it gets a
bucket. moto knows ``If-None-Match`` on a PUT, which is what a store rests on.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

_START_SECONDS: Final = 60
_KEYS: Final = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextmanager
def bucket(log: Path) -> Iterator[str]:
    """A new bucket, reached by the AWS_… of the environment while it is open; gives its name."""
    name = f"nhi-{secrets.token_hex(4)}"
    before = dict(os.environ)
    with _endpoint(log) as endpoint:
        os.environ.update({**_KEYS, "AWS_REGION": "us-east-1", **before})
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        try:
            _make(endpoint, name)
            yield name
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _endpoint(log: Path) -> Iterator[str]:
    named = os.environ.get("NHI_TEST_S3_ENDPOINT")
    if named:
        yield named
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(port)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint, process, log)
            yield endpoint
        finally:
            process.kill()


def _wait_for(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(endpoint)
            return
        except httpx.TransportError:
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError(log.read_text()[-2_000:]) from None
            time.sleep(0.1)


def _make(endpoint: str, name: str) -> None:
    """A bucket, by the client of the tests' own library."""
    import boto3  # type: ignore[import-untyped]

    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)

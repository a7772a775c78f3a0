"""A real PostgreSQL server for tests: the one that is named, or one started for this run.

``NHI_TEST_POSTGRES_URL`` names a server on which databases may be made
(``postgresql+psycopg://user:password@host/postgres``). Else one is started from the machine's
own binaries, in a temporary folder, on a socket in it.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
_START_SECONDS = 60


def fresh_database() -> str:
    """The URL of an empty database; skips the test where there is no PostgreSQL.

    There is one for all tests of a process, emptied for each: making one takes half a second.
    """
    url = _database()
    _run(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return url.render_as_string(hide_password=False)


@cache
def _database() -> URL:
    server, name = _server(), f"nhi_test_{secrets.token_hex(6)}"
    _run(server, f"CREATE DATABASE {name}")
    atexit.register(_run, server, f"DROP DATABASE {name} WITH (FORCE)")
    return server.set(database=name)


def _run(url: URL, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as at:
            for statement in statements:
                at.execute(text(statement))
    finally:
        engine.dispose()


@cache
def _server() -> URL:
    named = os.environ.get("NHI_TEST_POSTGRES_URL")
    if named:
        return make_url(named).set(drivername="postgresql+psycopg")
    initdb = shutil.which("initdb")
    folder = Path(initdb).parent if initdb else _BINARIES[-1] if _BINARIES else None
    if folder is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or set NHI_TEST_POSTGRES_URL")
    return _started(folder)


def _started(binaries: Path) -> URL:
    place = Path(tempfile.mkdtemp(prefix="pg"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    server_user = _server_user()
    if server_user:
        shutil.chown(place, server_user["user"], server_user["group"])
    data = place / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd=place, **server_user,
    )  # fmt: skip
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", place, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "max_connections=200"],
            stdout=log, stderr=log, cwd=place, **server_user,
        )  # fmt: skip
    atexit.register(_stop, server)
    url = URL.create(
        "postgresql+psycopg", "postgres", database="postgres", query={"host": str(place)}
    )
    _wait(url, place / "log")
    return url


def _server_user() -> dict[str, Any]:
    """PostgreSQL refuses to be root: then it runs as its own user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("no user to run PostgreSQL as")


def _wait(url: URL, log: Path) -> None:
    engine = create_engine(url)
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            engine.connect().close()
            break
        except OperationalError:
            if time.monotonic() > until:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.1)
    engine.dispose()


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # a fast shutdown
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()

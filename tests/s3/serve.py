"""moto's server on a port of this machine, one request at a time.

moto looks whether a key is there and then puts it, with nothing in between to keep another request
out; object storage does both at once (``If-None-Match``), which a store rests on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_one_at_a_time = Lock()
_moto = DomainDispatcherApplication(create_backend_app)


def _serve(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    with _one_at_a_time:
        return list(_moto(environ, start_response))


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), _serve, threaded=True)

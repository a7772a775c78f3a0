"""The portal's own style, script and icon. Names carry a digest, so browsers keep them for good."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """A file of the ``static`` folder, the only ones there are."""
    content = _files().get(name)
    if content is None:
        raise HTTPException(404)
    return Response(
        content,
        media_type=_MEDIA_TYPES[name.rpartition(".")[2]],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@cache
def static_url(name: str) -> str:
    """Where pages find a file. Raises ``KeyError`` if there is none of the name."""
    return f"/static/{name}?v={sha256(_files()[name]).hexdigest()[:12]}"


@cache
def _files() -> dict[str, bytes]:
    folder = files("pipeline.web.portal").joinpath("static")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _MEDIA_TYPES
    }

"""The API for programs, its document, and the pages that explain it."""

from __future__ import annotations

from fastapi import APIRouter

from pipeline.web.api import checks, codes, files, pages, reports, uploads, visits

router = APIRouter()
for room in (uploads, files, checks, reports, visits, codes, pages):
    router.include_router(room.router)

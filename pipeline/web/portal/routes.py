"""All routes of the portal. Whoever reads a page is known to it before its own work begins."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from pipeline.web.portal import (
    account,
    codes,
    help,
    insurer,
    insurer_audit,
    insurer_health,
    insurer_held,
    insurer_institutions,
    insurer_search,
    precheck,
    precheck_downloads,
    record,
    rules,
    send,
    sign_in,
    static_files,
    trial,
    upload,
    uploads,
    visits,
)
from pipeline.web.portal.reader import reader

PAGES = (
    sign_in, uploads, send, upload, record, trial, visits, account,
    codes, rules, help, precheck, precheck_downloads,
    insurer, insurer_institutions, insurer_search, insurer_held, insurer_health, insurer_audit,
)  # fmt: skip

router = APIRouter(include_in_schema=False)
router.include_router(static_files.router)
for _page in PAGES:
    router.include_router(_page.router, dependencies=[Depends(reader)])

"""One page: a template, the language it is asked in, who looks at it.

Templates say every text twice, ``{{ t("繁中", "English") }}``; a page shows one of the two. The
language is ``?lang=zh|en``, kept in a cookie; without one it is 繁體中文.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeline.report.masking import masked, without_ids
from pipeline.taipei import TAIPEI
from pipeline.version import ENGINE
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.navigation import Link, links_for
from pipeline.web.portal.notices import take_notice
from pipeline.web.portal.static_files import static_url

Language = Literal["zh", "en"]
_COOKIE: Final = "lang"
_A_YEAR_SECONDS: Final = 365 * 24 * 3600
_ROC_EPOCH: Final = 1911
_VISIT_MOMENT: Final = re.compile(r"[0-9]{13}")


def language(request: Request) -> Language:
    """The language a page is asked in."""
    asked = request.query_params.get("lang") or request.cookies.get(_COOKIE)
    return "en" if asked == "en" else "zh"


def page(
    request: Request,
    template: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A template as an answer. ``values`` are its own; these are there besides:

    ``t(zh, en)``, ``lang``, ``day(date)`` and ``moment(datetime)`` as the reader writes them,
    ``visit_moment(text)`` for a visit's moment as it was sent,
    ``session`` (``None`` without one), ``who``, ``csrf``, ``navigation``, ``notice``,
    ``switch`` (this page in the other language), ``static(name)``.
    """
    lang = language(request)
    session = getattr(request.state, "session", None)
    who = session.who if session is not None else None
    notice = take_notice(request)
    html = (
        _environment()
        .get_template(template)
        .render(
            values,
            t=lambda zh, en: zh if lang == "zh" else en,
            lang=lang,
            day=lambda one: day_text(one, lang),
            moment=lambda one: moment_text(one, lang),
            visit_moment=lambda digits: visit_moment_text(digits, lang),
            session=session,
            who=who,
            csrf=session.csrf if session is not None else values.get("csrf", ""),
            navigation=_navigation(request, links_for(who)),
            notice=notice,
            switch=_switch(request, lang),
        )
    )
    response = HTMLResponse(html, status, headers=dict(headers or {}))
    response.headers["Content-Language"] = "zh-Hant-TW" if lang == "zh" else "en"
    if notice is not None:
        response.delete_cookie("notice", path="/")
    keep_language(request, response)
    return response


def keep_language(request: Request, response: Response) -> None:
    """Remember a language that was asked for by ``?lang=``."""
    asked = request.query_params.get("lang")
    if asked in ("zh", "en"):
        response.set_cookie(
            _COOKIE, asked, _A_YEAR_SECONDS, path="/", httponly=True, samesite="lax",
            secure=request.url.scheme == "https",
        )  # fmt: skip


def day_text(day: date, lang: Language) -> str:
    """113/03/20; in English 2024-03-20."""
    if lang == "en":
        return day.isoformat()
    return f"{day.year - _ROC_EPOCH}/{day:%m/%d}"


def moment_text(moment: datetime, lang: Language) -> str:
    """An aware moment in Taipei: 113/03/20 21:00; in English 2024-03-20 21:00."""
    here = moment.astimezone(TAIPEI)
    return f"{day_text(here.date(), lang)} {here:%H:%M}"


def visit_moment_text(digits: str, lang: Language) -> str:
    """A visit's moment as it was sent: 1130320093000 is 113/03/20 09:30; what is none, as it is."""
    day = read_day(digits[:7]) if _VISIT_MOMENT.fullmatch(digits) else None
    return f"{day_text(day, lang)} {digits[7:9]}:{digits[9:11]}" if day else digits


def _switch(request: Request, lang: Language) -> str:
    """This page in the other language; of a form's answer its path alone."""
    query = dict(request.query_params) if request.method == "GET" else {}
    query["lang"] = "en" if lang == "zh" else "zh"
    return f"{request.url.path}?{urlencode(query)}"


def _navigation(request: Request, links: tuple[Link, ...]) -> list[tuple[Link, bool]]:
    """Each link with whether the page is in its part of the portal."""
    here = request.url.path
    return [(link, here == link.href or here.startswith(link.href + "/")) for link in links]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.web.portal", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static_url, engine=ENGINE, masked=masked)
    environment.filters.update(count="{:,}".format, without_ids=without_ids)
    return environment

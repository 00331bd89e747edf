"""Finds the screen of a request, and lets in only who is signed in and may see it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from broadsheet.domain.authors import require
from broadsheet.domain.errors import PageNotFound
from broadsheet.studio import assets, forms, pages, sessions
from broadsheet.studio.screens import (
    authors,
    correcting,
    history,
    issues,
    moving,
    people,
    publishing,
    segments,
    sending,
    settings,
    sign_up_page,
    signing_in,
    welcome,
    writing,
)
from broadsheet.studio.visit import Route, Visit
from broadsheet.telemetry import logger
from broadsheet.web import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.authors_secret import Author
    from broadsheet.domain.studio import StudioSession
    from broadsheet.web.request import Request
    from broadsheet.web.response import Response

SCREENS: Mapping[str, Route] = {
    **writing.ROUTES,  # before /issues/{id}, which would be any name
    **history.ROUTES,
    **issues.ROUTES,
    **publishing.ROUTES,
    **sending.ROUTES,
    **correcting.ROUTES,
    **moving.ROUTES,
    **segments.ROUTES,
    **people.ROUTES,  # after those above, which its ids would match
    **settings.ROUTES,
    **authors.ROUTES,
    **sign_up_page.ROUTES,
    **welcome.ROUTES,
    **signing_in.ROUTES,
}
_PARAMETER = re.compile(r"\{(\w+)\}")


def respond(request: Request) -> Response:
    """Return the page, or the redirect to it, for a request below ``/studio``."""
    path = _path(request)
    signed_in = None
    try:
        if path.startswith(assets.PREFIX):
            return assets.respond(request, path.removeprefix(assets.PREFIX))
        if outside := signing_in.OUTSIDE.get(f"{_method(request)} {path}"):
            return outside(request)
        signed_in = sessions.find(request)
        if signed_in is None:
            return signing_in.ask(request, _written(request))
        return _screen(request, path, *signed_in)
    except Exception as error:  # noqa: BLE001 - the last resort: logged, and a page that says so
        status, known, headers = problems.classify(error)
        written = _written(request)
        return pages.respond_with_error(request, signed_in, status, known, headers, written)


def _path(request: Request) -> str:
    """Return what follows ``/studio``: the part that the route names, or the rest of the route."""
    below = request.path_parameters.get("path")
    return f"/{unquote(below)}" if below else request.resource.removeprefix("/studio") or "/"


def _written(request: Request) -> list[str]:
    """Return what an author has written into a form that is not taken."""
    is_form = request.method == "POST" and sessions.is_from_here(request)
    return forms.written(request) if is_form else []


def _screen(request: Request, path: str, session: StudioSession, author: Author) -> Response:
    route, parts = _find(f"{_method(request)} {path}")
    require(route.role, author.role)
    form = forms.Form()
    if request.method == "POST":
        form = forms.read(request)
        token = request.headers.get("x-form-token") or form.text(forms.TOKEN)
        sessions.check_form(request, session, token)
    visit = Visit(request, session, author, parts, form, request.query)
    response = route.screen(visit)
    logger.info("studio", screen=route.screen.__name__, status=int(response.status))
    return response


def _find(wanted: str) -> tuple[Route, dict[str, str]]:
    for pattern, route in SCREENS.items():
        if found := _compiled(pattern).fullmatch(wanted):
            return route, found.groupdict()
    raise PageNotFound


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return what matches a route such as ``GET /issues/{id}``; ``re`` keeps what it compiles."""
    literal = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", literal))


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method

"""Fills in the studio's templates.

A page loads its stylesheet, its script and its pictures from here, and nothing from elsewhere.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.domain.authors import Role
from broadsheet.studio import assets, sessions
from broadsheet.studio.visit import address
from broadsheet.web import sentences
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from broadsheet.domain.errors import BroadsheetError
    from broadsheet.studio.sessions import SignedIn
    from broadsheet.studio.visit import Visit
    from broadsheet.web.request import Request

_TEMPLATES = Path(__file__).parent / "templates"
_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data: blob:",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
POLICY = "; ".join(f"{directive} {source}" for directive, source in _POLICY.items())


def show(
    visit: Visit, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object
) -> Response:
    """Return a page for somebody who is signed in."""
    html = _render(visit.request, template, (visit.session, visit.author), **values)
    return _page(status, html)


def show_outside(
    request: Request,
    template: str,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """Return a page for anybody."""
    return _page(status, _render(request, template, None, **values), headers)


def respond_with_error(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    signed_in: SignedIn | None,
    status: HTTPStatus,
    error: BroadsheetError,
    headers: Mapping[str, str],
    written: Sequence[str],
) -> Response:
    """Return the page for an error: what is wrong, and what to do about it.

    ``written``: the texts of the form that was not taken, which the page gives back.
    """
    heading = sentences.heading(status, error.code, request.language)
    detail = sentences.on_page(error, request.language)
    values = {"heading": heading, "detail": detail, "status": int(status), "written": written}
    return _page(status, _render(request, "error.html", signed_in, **values), headers)


def fragment(visit: Visit, template: str, **values: object) -> str:
    """Return a part of a page, which the script puts in its place."""
    return _render(visit.request, template, (visit.session, visit.author), **values)


def redirect(visit: Visit, path: str, *, said: str = "") -> Response:
    """Redirect to a screen, which shows the notice that ``said`` names in ``notices.html``."""
    query = f"{'&' if '?' in path else '?'}said={said}" if said else ""
    return Response.redirect(visit.link(path) + query)


def _page(status: HTTPStatus, html: str, headers: Mapping[str, str] | None = None) -> Response:
    # Without a referrer, browsers would send `Origin: null` with our own forms.
    return Response.page(
        status, html, {"Referrer-Policy": "same-origin", **(headers or {})}, policy=POLICY
    )


def _render(request: Request, template: str, signed_in: SignedIn | None, **values: object) -> str:
    session, author = signed_in or (None, None)
    return (
        _environment()
        .get_template(template)
        .render(
            author=author,
            form_token=sessions.form_token(session) if session else "",
            may_publish=author is not None and author.role.includes(Role.PUBLISH),
            may_manage=author is not None and author.role.includes(Role.MANAGE),
            frame=request.frame,
            newsletter_name=request.frame.newsletter_name,
            reader_language=request.language,
            link=lambda path: request.link(address(path)),
            asset=lambda name: request.link(f"/studio{assets.address(name)}"),
            here=request.path_parameters.get("path", ""),
            said=request.query.get("said", ""),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    from broadsheet.i18n import templates  # noqa: PLC0415 - a redirect or an asset needs none

    return templates.of_pages(_TEMPLATES)

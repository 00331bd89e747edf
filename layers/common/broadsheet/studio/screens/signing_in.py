"""Signing in by a link that works once, and signing out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.domain.authors import Role
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.studio import SignInMailRequest
from broadsheet.services.authors import signing_in
from broadsheet.studio import forms, pages, sessions
from broadsheet.studio.visit import Route
from broadsheet.web import problems, sentences
from broadsheet.web.body import invalid_fields
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from broadsheet.studio.visit import Visit
    from broadsheet.web.request import Request


def ask(request: Request, written: Sequence[str]) -> Response:
    """Show who isn't signed in how to do that.

    A link in a mail is followed without the session's cookie, which goes to no other site. The
    page that is shown then loads itself again, and that request has the cookie. ``written``: the
    texts of a form that came without a session, which the page gives back.
    """
    comes_from_elsewhere = request.headers.get("sec-fetch-site") == "cross-site"
    if comes_from_elsewhere and request.method in {"GET", "HEAD"}:
        return pages.show_outside(request, "again.html")
    return _signed_out(request, HTTPStatus.UNAUTHORIZED, written=written)


def _signed_out(
    request: Request,
    status: HTTPStatus,
    *,
    email: str = "",
    wrong: str = "",
    written: Sequence[str] = (),
) -> Response:
    return pages.show_outside(
        request, "signed_out.html", status=status, email=email, wrong=wrong, written=written
    )


def show_link(request: Request) -> Response:
    """Show the button that signs in; a program that only fetches the link spends nothing."""
    token = request.query.get("token", "")
    signing_in.read_link(token)
    return pages.show_outside(request, "enter.html", token=token, problem="")


def enter(request: Request) -> Response:
    """Spend a link, and begin a session."""
    sessions.check_origin(request)
    token = forms.read(request).line("token")
    link = signing_in.read_link(token)
    try:
        with connected(settings.timings().publish_connect_timeout) as connection:
            session = signing_in.begin_session(connection, link)
    except DatabaseUnavailable as error:  # the same button, since the link still works
        status, known, headers = problems.classify(error)
        problem = sentences.on_page(known, request.language)
        return pages.show_outside(
            request, "enter.html", status=status, headers=headers, token=token, problem=problem
        )
    return Response(
        HTTPStatus.SEE_OTHER,
        headers={"Location": request.link("/studio")},
        cookies=[sessions.cookie(session, request)],
    )


def ask_for_mail(request: Request) -> Response:
    """Have a link mailed; the answer is the same for every address."""
    sessions.check_origin(request)
    typed = forms.read(request).line("email")
    try:
        wanted = SignInMailRequest.model_validate(
            {"email": typed, "site": request.site, "language": request.language.tag}
        )
    except ValidationError as error:
        wrong = sentences.of_fields(invalid_fields(error).fields, request.language)["email"]
        return _signed_out(request, HTTPStatus.BAD_REQUEST, email=typed, wrong=wrong)
    signing_in.ask_for_mail(wanted)
    return pages.show_outside(request, "link_asked.html", status=HTTPStatus.ACCEPTED)


def leave(visit: Visit) -> Response:
    """Sign out of this browser."""
    return Response(
        HTTPStatus.SEE_OTHER,
        headers={"Location": visit.link("/")},
        cookies=[sessions.no_cookie(visit.request)],
    )


# For anybody.
OUTSIDE: Mapping[str, Callable[[Request], Response]] = {
    "GET /enter": show_link,
    "POST /enter": enter,
    "POST /sign-in": ask_for_mail,
}
ROUTES = {"POST /sign-out": Route(leave, Role.WRITE)}

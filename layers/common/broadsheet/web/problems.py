"""Errors as answers: a problem document (RFC 9457), or a page for a browser.

Every error of ``domain/errors.py`` becomes HTTP here and nowhere else.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.telemetry import log_failure
from broadsheet.web import pages
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.web.request import Request


class _Problem(NamedTuple):
    """How an error is answered: its status, and the heading of the page that a reader gets."""

    status: HTTPStatus
    heading: str


# An error whose class is not here is answered as its nearest parent is.
_PROBLEMS: dict[type[BaseException], _Problem] = {
    errors.InvalidRequest: _Problem(HTTPStatus.BAD_REQUEST, "We can't take this as it is"),
    errors.InvalidToken: _Problem(HTTPStatus.UNAUTHORIZED, "This link doesn't work"),
    errors.PageNotFound: _Problem(HTTPStatus.NOT_FOUND, "This page doesn't exist"),
    errors.IssueNotFound: _Problem(HTTPStatus.NOT_FOUND, "This issue doesn't exist"),
    errors.WrongState: _Problem(HTTPStatus.CONFLICT, "This can't be done now"),
    errors.ExpiredToken: _Problem(HTTPStatus.GONE, "This link doesn't work any more"),
    errors.RequestTooLarge: _Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is too long"),
    errors.UnsupportedContentType: _Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "We can't read this form"
    ),
    errors.IdempotencyKeyReused: _Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "This key is used already"
    ),
    errors.DependencyUnavailable: _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "This doesn't work just now"
    ),
    errors.DatabaseUnavailable: _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "This doesn't work just now"
    ),
}
_OUR_FAULT = _Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side")
# A reader who ends here can sign up.
_DEAD_ENDS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_RETRY_AFTER_SECONDS = "30"  # Aurora wakes in 15 to 30 s


UNREADABLE = Response(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    json.dumps({"title": "Internal Server Error", "status": 500}),
    "application/problem+json",
)


def respond(request: Request, error: Exception) -> Response:
    """Respond to a request that failed; log an error that nobody expected, without its message."""
    problem = next((_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS), None)
    if problem is None:
        log_failure("unexpected error", error)
        return _respond_with(request, _OUR_FAULT, "this is our fault: please try again in a minute")
    fields = error.errors if isinstance(error, errors.InvalidRequest) else {}
    return _respond_with(request, problem, str(error), fields)


def _respond_with(
    request: Request, problem: _Problem, detail: str, fields: Mapping[str, str] | None = None
) -> Response:
    status = problem.status
    unavailable = status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if unavailable else {}
    if request.wants_page:
        # Nobody who wants to leave is asked to sign up.
        leaving = request.resource.endswith("/unsubscribe")
        html = pages.error(
            settings.newsletter_name(),
            status,
            problem.heading,
            f"{detail}.",
            sign_up_url=request.link("/") if status in _DEAD_ENDS and not leaving else "",
        )
        return Response.page(status, html, headers)
    document: dict[str, Any] = {"title": status.phrase, "status": int(status), "detail": detail}
    if fields:
        document["errors"] = fields
    return Response(status, json.dumps(document), "application/problem+json", headers)

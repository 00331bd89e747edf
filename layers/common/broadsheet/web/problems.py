"""Errors as responses: a problem document (RFC 9457), or a page for a browser.

Every error of ``domain/errors.py`` becomes HTTP here and nowhere else.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from broadsheet.domain import errors
from broadsheet.telemetry import log_failure
from broadsheet.web import pages, sentences
from broadsheet.web.response import Response

if TYPE_CHECKING:
    from broadsheet.web.request import Request

# An error whose class is not here gets the status of its nearest parent.
STATUSES: dict[type[BaseException], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidToken: HTTPStatus.UNAUTHORIZED,
    errors.WorkflowRefused: HTTPStatus.UNAUTHORIZED,
    errors.RoleNeeded: HTTPStatus.FORBIDDEN,
    errors.PageNotFound: HTTPStatus.NOT_FOUND,
    errors.IssueNotFound: HTTPStatus.NOT_FOUND,
    errors.WebhookNotFound: HTTPStatus.NOT_FOUND,
    errors.WebhookDisabled: HTTPStatus.CONFLICT,
    errors.TooManyWebhooks: HTTPStatus.CONFLICT,
    errors.SegmentNotFound: HTTPStatus.NOT_FOUND,
    errors.SegmentInUse: HTTPStatus.CONFLICT,
    errors.WelcomeNotFound: HTTPStatus.NOT_FOUND,
    errors.StatementNotFound: HTTPStatus.NOT_FOUND,
    errors.ExportNotFound: HTTPStatus.NOT_FOUND,
    errors.ImportNotFound: HTTPStatus.NOT_FOUND,
    errors.VersionNotFound: HTTPStatus.NOT_FOUND,
    errors.LinkNotFound: HTTPStatus.NOT_FOUND,
    errors.IfMatchNeeded: HTTPStatus.PRECONDITION_REQUIRED,
    errors.StaleVersion: HTTPStatus.PRECONDITION_FAILED,
    errors.SlugTaken: HTTPStatus.CONFLICT,
    errors.WrongState: HTTPStatus.CONFLICT,
    errors.SubscriberNotFound: HTTPStatus.NOT_FOUND,
    errors.WrongStanding: HTTPStatus.CONFLICT,
    errors.HasLeft: HTTPStatus.CONFLICT,
    errors.ExpiredToken: HTTPStatus.GONE,
    errors.FreshLinkNeeded: HTTPStatus.FORBIDDEN,
    errors.InvalidStudioForm: HTTPStatus.FORBIDDEN,
    errors.NotATestAddress: HTTPStatus.FORBIDDEN,
    errors.RefusedTestMail: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownTestMail: HTTPStatus.BAD_GATEWAY,
    errors.SpentBudget: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NobodyToAsk: HTTPStatus.CONFLICT,
    errors.RefusedApprovalMail: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AuthorExists: HTTPStatus.CONFLICT,
    errors.AuthorNotFound: HTTPStatus.NOT_FOUND,
    errors.AuthorChanged: HTTPStatus.CONFLICT,
    errors.AuthorsAddressTaken: HTTPStatus.CONFLICT,
    errors.NoOlderToken: HTTPStatus.CONFLICT,
    errors.WorkflowHasNoToken: HTTPStatus.CONFLICT,
    errors.WorkflowNeverManages: HTTPStatus.CONFLICT,
    errors.TooManyAuthorChanges: HTTPStatus.TOO_MANY_REQUESTS,
    errors.OwnRights: HTTPStatus.CONFLICT,
    errors.TooManyAuthors: HTTPStatus.CONFLICT,
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DependencyUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# The pages of these link to the sign-up page, or to that which mails the link to a subscription.
_DEAD_ENDS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
_OF_SUBSCRIBERS = ("/subscription", "/subscription/link", "/subscription/address")
_RETRY_AFTER_SECONDS = "30"  # Aurora wakes in 15 to 30 s


def respond(request: Request, error: Exception) -> Response:
    """Return the response for an error."""
    status, error, headers = classify(error)
    if request.wants_page:
        return Response.page(status, _page(request, status, error), headers)
    return _problem(status, error, headers)


def classify(error: Exception) -> tuple[HTTPStatus, errors.BroadsheetError, dict[str, str]]:
    """Return an error's status, what is said of it, and its headers; log an unexpected one."""
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None or not isinstance(error, errors.BroadsheetError):
        log_failure("unexpected error", error)
        status, error = HTTPStatus.INTERNAL_SERVER_ERROR, errors.BroadsheetError()
    unavailable = status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if unavailable else {}
    if isinstance(error, errors.SpentBudget):
        headers = {"Retry-After": str(error.seconds)}
    return status, error, headers


def respond_to_unreadable() -> Response:
    """Return the response to an event that can't be parsed."""
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, errors.BroadsheetError(), {})


def _page(request: Request, status: HTTPStatus, error: errors.BroadsheetError) -> str:
    # A reader is not asked to sign up, least of all one who wants to leave.
    is_leaving = request.resource.endswith("/unsubscribe") or request.resource in _OF_SUBSCRIBERS
    is_dead_end = status in _DEAD_ENDS or isinstance(error, errors.InvalidSignUpState)
    return pages.error(
        request.frame,
        status,
        sentences.heading(status, error.code, request.language),
        sentences.on_page(error, request.language),
        sign_up_url=request.link("/") if is_dead_end and not is_leaving else "",
        link_url=request.link("/subscription") if is_dead_end and is_leaving else "",
    )


def _problem(
    status: HTTPStatus, error: errors.BroadsheetError, headers: dict[str, str]
) -> Response:
    document: dict[str, Any] = {
        "title": status.phrase,
        "status": int(status),
        "code": error.code,
        "detail": sentences.of_error(error),
        **error.members,
    }
    if isinstance(error, errors.InvalidFields):
        document["errors"] = sentences.of_fields(error.fields)
        document["error_codes"] = {name: each.code for name, each in error.fields.items()}
    if isinstance(error, errors.UnsendableIssue):
        document["warnings"] = sentences.of_findings(error.findings)
    return Response(status, json.dumps(document), "application/problem+json", headers)

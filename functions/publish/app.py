"""The authors' API: write, edit and publish issues, see how far they are, stop and resume them."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from broadsheet import settings
from broadsheet.database.connection import Connection, connected
from broadsheet.domain.authors import AuthorName, Role, require
from broadsheet.domain.books import LedgerRow
from broadsheet.domain.errors import (
    IfMatchNeeded,
    InvalidIdempotencyKey,
    InvalidVersion,
    LinkNotFound,
)
from broadsheet.domain.findings import Finding
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import (
    ArchiveRequest,
    CorrectionRequest,
    EditRequest,
    ExpectedVersion,
    IssueDraft,
    MarkdownContent,
    PublishDraftRequest,
    PublishRequest,
    RescheduleRequest,
)
from broadsheet.domain.issue_versions import IssueVersion
from broadsheet.domain.issues import IssueId, IssueStatus
from broadsheet.domain.links import LinkRequest
from broadsheet.domain.publications import MAX_IDEMPOTENCY_KEY_CHARACTERS, IdempotencyKey
from broadsheet.domain.segments import SegmentName
from broadsheet.domain.welcome import WelcomeMail, WelcomeRequest
from broadsheet.services.issues import (
    checking,
    correction,
    editing,
    lifecycle,
    links,
    publication,
    statements,
)
from broadsheet.services.issues.publication import IssueWithBooks
from broadsheet.services.people import segments
from broadsheet.services.subscribers import welcome_text
from broadsheet.web import csv, sentences
from broadsheet.web.issues import LARGEST_BODY, issue_id_of
from broadsheet.web.pagination import Listing, count_fitting
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

LINK = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
ISSUES = Listing("before", TypeAdapter(tuple[AwareDatetime, UUID]), 20, 100)
LEDGER = Listing("after", TypeAdapter(tuple[UUID, int]), 100, 10_000)


def publish(request: Request) -> Response:
    """Publish an issue, or store a draft; the same key and request return the same issue again.

    ``audience_now`` is how many readers it would have now; a scheduled issue may have others
    later. ``warnings`` has everything that was found; what was not accepted and is an error makes
    it a 400 instead.
    """
    key = _idempotency_key(request)
    wanted = request.document(PublishRequest, LARGEST_BODY)
    require(Role.WRITE if wanted.draft else Role.PUBLISH, request.role)
    with connected(settings.timings().publish_connect_timeout) as connection:
        # First: a database that goes away between the two leaves nothing published and unanswered.
        audience = segments.audience_now(connection, wanted.segment)
        issue, findings = publication.publish(
            connection, AuthorName(request.author), key, wanted, request.correlation_id
        )
    starts_at = wanted.publish_at or issue.created_at
    at_once = starts_at <= issue.created_at and not wanted.draft
    warnings = _warnings(findings, audience, wanted.segment, at_once=at_once)
    return _published(request, issue, wanted, audience_now=audience, warnings=warnings)


def _published(request: Request, issue: Issue, wanted: IssueDraft, **more: object) -> Response:
    """Return the answer to a request that makes an issue, the same whenever it is repeated."""
    location = request.link(f"/issues/{issue.id}")
    constant = {"id", "author", "slug", "publish_at", "created_at"}  # as in the first answer
    if issue.corrects:
        constant |= {"corrects", "corrects_version"}
    answer = issue.model_dump(mode="json", include=constant) | {
        "title": str(wanted.title),  # the issue may have another by now
        "archive_url": _archive_url(request, issue.slug) if wanted.archive is not False else None,
        "href": location,
        **more,
    }
    headers = {"Location": location, "ETag": _etag(issue)}
    return Response.json(HTTPStatus.ACCEPTED, answer, headers)


def _warnings(
    findings: Sequence[Finding], audience: int, segment: SegmentName | None, *, at_once: bool
) -> list[dict[str, str | None]]:
    nobody = checking.of_audience(audience, segment, at_once=at_once, others=findings)
    return sentences.of_findings([*findings, *nobody])


def list_issues(request: Request) -> Response:
    """List issues, newest first, a page at a time."""
    limit, before = ISSUES.limit(request), ISSUES.start(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        issues = publication.newest(connection, limit + 1, before)
    page, more = issues[:limit], issues[limit:]
    following = None
    if more:
        following = ISSUES.link(request, "/issues", (page[-1].created_at, page[-1].id.root))
    documents = [_summary(request, issue) for issue in page]
    return Response.json(HTTPStatus.OK, {"issues": documents, "next": following})


def show_issue(request: Request) -> Response:
    """Show an issue with its books, and how long it still takes."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        shown = publication.show(connection, issue_id_of(request))
    return _respond(request, HTTPStatus.OK, shown)


def show_content(request: Request) -> Response:
    """Show an issue's text as it was written: its current version, or that of ``?version=``."""
    number = request.query.get("version")
    if number is not None and not VERSION.fullmatch(number):
        raise InvalidVersion
    with connected(settings.timings().publish_connect_timeout) as connection:
        written = editing.find_version(
            connection, issue_id_of(request), int(number) if number else None
        )
    return Response.json(HTTPStatus.OK, _as_written(written), {"ETag": f'"{written.version}"'})


def _as_written(written: IssueVersion | WelcomeMail) -> dict[str, Any]:
    """Return a text in the form in which an author writes one, with what else is known of it."""
    document = written.model_dump(mode="json", exclude={"content"})
    if isinstance(written.content, MarkdownContent):
        return document | written.content.model_dump()
    return document | {"content": written.content.model_dump(exclude_none=True)}


def edit(request: Request) -> Response:
    """Replace the text of a draft, or of a scheduled or paused issue."""
    if "if-match" not in request.headers:
        raise IfMatchNeeded
    expected = ExpectedVersion.parse(request.headers["if-match"])
    draft = request.document(EditRequest, LARGEST_BODY)
    editor = editing.Editor(AuthorName(request.author), request.role)
    issue_id = issue_id_of(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        findings = editing.edit(
            connection, issue_id, editor, expected, draft, request.correlation_id
        )
        shown = publication.show(connection, issue_id)
    return _respond(request, HTTPStatus.OK, shown, warnings=sentences.of_findings(findings))


def publish_draft(request: Request) -> Response:
    """Publish a draft; the same key publishes it once, and without a body, at once.

    Whoever publishes what somebody else wrote names the version that they have read.
    """
    key = _idempotency_key(request)
    if_match = request.headers.get("if-match")
    expected = None if if_match is None else ExpectedVersion.parse(if_match)
    publisher = editing.Publisher(AuthorName(request.author), expected)
    wanted = (
        request.document(PublishDraftRequest, LARGEST_BODY)
        if request.body
        else PublishDraftRequest()
    )
    issue_id = issue_id_of(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        segment = publication.segment_of(connection, issue_id, wanted)
        audience = segments.audience_now(connection, segment)
        findings = editing.publish_draft(
            connection, issue_id, publisher, key, wanted, request.correlation_id
        )
        shown = publication.show(connection, issue_id)
    return _respond(
        request,
        HTTPStatus.ACCEPTED,
        shown,
        audience_now=audience,
        warnings=_warnings(
            findings, audience, segment, at_once=shown.issue.due_at <= datetime.now(UTC)
        ),
    )


def delete_draft(request: Request) -> Response:
    """Delete a draft."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        editing.delete_draft(connection, issue_id_of(request))
    return Response(HTTPStatus.NO_CONTENT)


def show_statement(request: Request) -> Response:
    """Show what is certified of a finished issue's circulation."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        signed = statements.show(connection, issue_id_of(request))
    return Response.json(HTTPStatus.OK, signed.model_dump(mode="json"))


def show_links(request: Request) -> Response:
    """Show an issue's links, where each leads now, and how often it was clicked."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        found = links.show(connection, issue_id_of(request))
    return Response.json(
        HTTPStatus.OK,
        {
            "counting": settings.counts_links(),
            "links": [link.model_dump(mode="json") for link in found],
        },
    )


def correct_link(request: Request) -> Response:
    """Have a link lead elsewhere, also in the mails that readers have."""
    wanted = request.document(LinkRequest, LARGEST_BODY)
    issue_id, number = issue_id_of(request), request.path_parameters["number"]
    if not LINK.fullmatch(number):
        raise LinkNotFound
    with connected(settings.timings().publish_connect_timeout) as connection:
        link = links.correct(
            connection, issue_id, int(number), wanted.target, AuthorName(request.author)
        )
    return Response.json(HTTPStatus.OK, link.model_dump(mode="json"))


def show_deliveries(request: Request) -> Response:
    """Show an issue's ledger, a page at a time: as CSV if the client accepts it, else as JSON."""
    issue_id = issue_id_of(request)
    limit, after = LEDGER.limit(request), LEDGER.start(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        rows = publication.ledger(connection, issue_id, limit + 1, after)
    as_csv = csv.is_accepted(request)
    documents = [row.model_dump(mode="json") for row in rows[:limit]]
    documents = documents[: count_fitting(documents, csv.line if as_csv else json.dumps)]
    following = None
    if len(documents) < len(rows):
        last = rows[len(documents) - 1]
        path = f"/issues/{issue_id}/deliveries"
        following = LEDGER.link(request, path, (last.subscriber_id, last.round))
    if as_csv:
        return csv.respond(LedgerRow, documents, following)
    return Response.json(HTTPStatus.OK, {"deliveries": documents, "next": following})


def pause(request: Request) -> Response:
    """Stop sending until the issue is resumed."""
    return _act(request, lifecycle.pause)


def resume(request: Request) -> Response:
    """Continue a paused issue."""
    return _act(
        request,
        lambda connection, issue_id: lifecycle.resume(connection, issue_id, request.correlation_id),
    )


def cancel(request: Request) -> Response:
    """Stop sending for good; a scheduled issue is never sent."""
    return _act(
        request,
        lambda connection, issue_id: lifecycle.cancel(connection, issue_id, request.correlation_id),
    )


def retry(request: Request) -> Response:
    """Send again to exactly those who failed."""
    return _act(
        request,
        lambda connection, issue_id: lifecycle.retry(connection, issue_id, request.correlation_id),
    )


def set_archive(request: Request) -> Response:
    """Put a finished issue into the public archive, or take it out."""
    wanted = request.document(ArchiveRequest, LARGEST_BODY)
    return _act(
        request,
        lambda connection, issue_id: lifecycle.set_archive(
            connection, issue_id, request.correlation_id, archive=wanted.archive
        ),
    )


def reschedule(request: Request) -> Response:
    """Change the time of an issue that has not started."""
    wanted = request.document(RescheduleRequest, LARGEST_BODY)
    issue_id = issue_id_of(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        lifecycle.reschedule(connection, issue_id, wanted.publish_at, request.correlation_id)
        shown = publication.show(connection, issue_id)
    warnings = sentences.of_findings(checking.of_time(wanted.publish_at))
    return _respond(request, HTTPStatus.ACCEPTED, shown, warnings=warnings)


def correct(request: Request) -> Response:
    """Publish a correction: an issue for exactly those who have an older version of another.

    ``audience_now`` is how many they are, and ``unsettled`` how many more it may be at most, until
    the outcomes of all their mails are known; sending begins then.
    """
    issue_id = issue_id_of(request)
    key = _idempotency_key(request)
    wanted = request.document(CorrectionRequest, LARGEST_BODY)
    with connected(settings.timings().publish_connect_timeout) as connection:
        corrected = correction.correct(
            connection, issue_id, AuthorName(request.author), key, wanted, request.correlation_id
        )
    return _published(
        request,
        corrected.correction,
        wanted,
        audience_now=corrected.audience,
        unsettled=corrected.unsettled,
        warnings=sentences.of_findings(corrected.findings),
    )


def show_welcome(request: Request) -> Response:
    """Show the welcome mail as it was written."""
    del request
    with connected(settings.timings().publish_connect_timeout) as connection:
        welcome = welcome_text.show(connection)
    return Response.json(HTTPStatus.OK, _welcome(welcome))


def replace_welcome(request: Request) -> Response:
    """Store the mail that welcomes whoever confirms from now on."""
    wanted = request.document(WelcomeRequest, LARGEST_BODY)
    with connected(settings.timings().publish_connect_timeout) as connection:
        findings = welcome_text.replace(connection, AuthorName(request.author), wanted)
        welcome = welcome_text.show(connection)
    return Response.json(
        HTTPStatus.OK, _welcome(welcome) | {"warnings": sentences.of_findings(findings)}
    )


def _welcome(welcome: WelcomeMail) -> dict[str, Any]:
    """Return the welcome mail; ``enabled``: whether the parameter ``WelcomeMail`` has it sent."""
    return _as_written(welcome) | {"enabled": settings.sends_welcome_mail()}


def _act(request: Request, action: Callable[[Connection, IssueId], object]) -> Response:
    """Act on the issue in the path, and show it as it is then."""
    issue_id = issue_id_of(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        action(connection, issue_id)
        shown = publication.show(connection, issue_id)
    return _respond(request, HTTPStatus.ACCEPTED, shown)


def _idempotency_key(request: Request) -> IdempotencyKey:
    try:
        return IdempotencyKey(request.headers.get("idempotency-key", ""))
    except ValidationError:
        raise InvalidIdempotencyKey(MAX_IDEMPOTENCY_KEY_CHARACTERS) from None


def _etag(issue: Issue) -> str:
    """Return the version as a strong entity tag (RFC 9110 §8.8.3)."""
    return f'"{issue.version}"'


def _summary(request: Request, issue: Issue) -> dict[str, Any]:
    hold = {"sample_size", "held_after", "held_until"}
    document = issue.model_dump(mode="json", exclude=hold)
    if issue.careful is not None:
        document["careful"] |= issue.model_dump(mode="json", include=hold - {"held_after"})
    is_public = issue.archive and issue.status is not IssueStatus.CANCELED
    return document | {
        "archive_url": _archive_url(request, issue.slug) if is_public else None,
        "href": request.link(f"/issues/{issue.id}"),
    }


def _archive_url(request: Request, slug: str) -> str:
    """Return the address of an issue's page, which is there once the issue has begun."""
    return f"{request.site}/archive/{slug}"


def _respond(
    request: Request, status: HTTPStatus, shown: IssueWithBooks, **more: object
) -> Response:
    """Return an issue with its books, and what an endpoint adds to them."""
    progress = shown.model_dump(mode="json", exclude={"issue"})
    if shown.waits is not None:
        progress["waits"]["message"] = sentences.printed(sentences.of_code(shown.waits.code))
    document = _summary(request, shown.issue) | progress
    return Response.json(status, document | more, {"ETag": _etag(shown.issue)})


handler = router(
    {
        "POST /issues": publish,
        "GET /issues": list_issues,
        "GET /issues/{id}": show_issue,
        "GET /issues/{id}/content": show_content,
        "PUT /issues/{id}": edit,
        "DELETE /issues/{id}": delete_draft,
        "POST /issues/{id}/publish": publish_draft,
        "GET /issues/{id}/statement": show_statement,
        "GET /issues/{id}/links": show_links,
        "PUT /issues/{id}/links/{number}": correct_link,
        "GET /issues/{id}/deliveries": show_deliveries,
        "POST /issues/{id}/pause": pause,
        "POST /issues/{id}/resume": resume,
        "POST /issues/{id}/cancel": cancel,
        "POST /issues/{id}/retry": retry,
        "POST /issues/{id}/schedule": reschedule,
        "POST /issues/{id}/archive": set_archive,
        "POST /issues/{id}/correct": correct,
        "GET /welcome": show_welcome,
        "PUT /welcome": replace_welcome,
    }
)

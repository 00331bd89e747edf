"""An author's router: publish an issue, see where it is, and pull its levers."""

import base64
import csv
import io
import json
import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from itertools import accumulate
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.database.connection import Connection, connected
from broadsheet.database.deliveries_table import LedgerRow
from broadsheet.database.issues_table import Issue
from broadsheet.domain.errors import InvalidRequest, IssueNotFound
from broadsheet.domain.issues import IdempotencyKey, IssueId, PublishRequest, RescheduleRequest
from broadsheet.services.issues import lifecycle, publication
from broadsheet.web.body import invalid_fields
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

LARGEST_BODY = 2 * 1024 * 1024  # bytes; two bodies of MAX_CONTENT_CHARACTERS, mostly ASCII
PAGE_LIMIT = 100
LEDGER_PAGE_LIMIT = 10_000  # rows
# Lambda hands over 6 MB at most, in which an answer's body is a JSON string. The rest is for its
# headers, and for what else stands in the body.
LEDGER_PAGE_BYTES = 5_900_000

NOBODY_TO_SEND_TO = {
    "code": "nobody-to-send-to",
    "severity": "warning",
    "message": "This issue goes to 0 readers now: nobody has confirmed a subscription.",
    "where": None,
}


def publish(request: Request) -> Response:
    """Publish an issue; the same key and request answer with the same issue again.

    ``audience_now`` says how many readers it would have at this moment; a scheduled one may find
    others. Nobody is worth a warning.
    """
    key = _idempotency_key(request)
    try:
        wanted = PublishRequest.model_validate(request.document(LARGEST_BODY))
    except ValidationError as error:
        raise invalid_fields(error) from None
    with connected(settings.timings().publish_connect_timeout) as connection:
        issue = publication.publish(connection, request.author, key, wanted, request.correlation_id)
        audience = publication.audience_now(connection)
    location = request.link(f"/issues/{issue.id}")
    constant = {"id", "author", "title", "publish_at", "created_at"}  # as in the first answer
    answer = issue.model_dump(mode="json", include=constant) | {
        "href": location,
        "audience_now": audience,
        "warnings": [] if audience else [NOBODY_TO_SEND_TO],
    }
    return Response.json(HTTPStatus.ACCEPTED, answer, {"Location": location})


def list_issues(request: Request) -> Response:
    """List issues, newest first, a page at a time."""
    limit = _limit(request.query.get("limit", "20"))
    before = _read_cursor(request.query.get("before"))
    with connected(settings.timings().publish_connect_timeout) as connection:
        issues = publication.newest(connection, limit + 1, before)
    page, more = issues[:limit], issues[limit:]
    return Response.json(
        HTTPStatus.OK,
        {
            "issues": [_summary(request, issue) for issue in page],
            "next": request.link(f"/issues?limit={limit}&before={_cursor(page[-1])}")
            if more
            else None,
        },
    )


def show_issue(request: Request) -> Response:
    """Show an issue, where its audience is, and how long it will go on."""
    with connected(settings.timings().publish_connect_timeout) as connection:
        shown = publication.show(connection, _issue_id(request))
    progress = shown.model_dump(mode="json", exclude={"issue"})
    return Response.json(HTTPStatus.OK, _summary(request, shown.issue) | progress)


def show_deliveries(request: Request) -> Response:
    """Show an issue's ledger, a page at a time: as CSV to who accepts that, else as JSON."""
    issue_id = _issue_id(request)
    limit = _limit(request.query.get("limit", "100"), most=LEDGER_PAGE_LIMIT)
    after = _read_ledger_cursor(request.query.get("after"))
    with connected(settings.timings().publish_connect_timeout) as connection:
        rows = publication.ledger(connection, issue_id, limit + 1, after)
    as_csv = "text/csv" in request.headers.get("accept", "")
    documents = _fitting([row.model_dump(mode="json") for row in rows[:limit]], as_csv=as_csv)
    page, more = rows[: len(documents)], rows[len(documents) :]
    following = (
        request.link(
            f"/issues/{issue_id}/deliveries?limit={limit}"
            f"&after={page[-1].subscriber_id}.{page[-1].round}"
        )
        if more
        else None
    )
    if not as_csv:
        return Response.json(HTTPStatus.OK, {"deliveries": documents, "next": following})
    link = {"Link": f'<{following}>; rel="next"'} if following else {}  # RFC 8288
    return Response(HTTPStatus.OK, _csv(documents), "text/csv; charset=utf-8", link)


def _fitting(documents: list[dict[str, Any]], *, as_csv: bool) -> list[dict[str, Any]]:
    """Return as many of a page's rows as one answer holds, in their order; the first in any case.

    Rows are measured as they stand in the answer, inside of a JSON string.
    """
    sizes = (
        len(json.dumps(_csv([document], header=False) if as_csv else f", {json.dumps(document)}"))
        for document in documents
    )
    fitting = sum(total <= LEDGER_PAGE_BYTES for total in accumulate(sizes))
    return documents[: max(fitting, 1)]


def _csv(documents: list[dict[str, Any]], *, header: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(LedgerRow.model_fields), lineterminator="\r\n")
    if header:
        writer.writeheader()
    writer.writerows(
        {name: _harmless(value) for name, value in document.items()} for document in documents
    )
    return text.getvalue()


def _harmless(cell: object) -> object:
    """Keep a spreadsheet from taking a reader's address for a formula (OWASP, CSV injection)."""
    if isinstance(cell, bool):
        return "true" if cell else "false"  # as in JSON
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell


def pause(request: Request) -> Response:
    """Stop sending until the issue is resumed."""
    return _pull(request, lifecycle.pause)


def resume(request: Request) -> Response:
    """Let a paused issue go on."""
    return _pull(
        request,
        lambda connection, issue_id: lifecycle.resume(connection, issue_id, request.correlation_id),
    )


def cancel(request: Request) -> Response:
    """Send to nobody more; a scheduled issue is never sent."""
    return _pull(
        request,
        lambda connection, issue_id: lifecycle.cancel(connection, issue_id, request.correlation_id),
    )


def retry(request: Request) -> Response:
    """Send again to exactly those who failed."""
    return _pull(
        request,
        lambda connection, issue_id: lifecycle.retry(connection, issue_id, request.correlation_id),
    )


def reschedule(request: Request) -> Response:
    """Move an issue that has not begun."""
    try:
        wanted = RescheduleRequest.model_validate(request.document(LARGEST_BODY))
    except ValidationError as error:
        raise invalid_fields(error) from None
    return _pull(
        request,
        lambda connection, issue_id: lifecycle.reschedule(
            connection, issue_id, wanted.publish_at, request.correlation_id
        ),
    )


def _pull(request: Request, lever: Callable[[Connection, IssueId], object]) -> Response:
    """Pull a lever of the issue in the path, and show the issue as it is then."""
    issue_id = _issue_id(request)
    with connected(settings.timings().publish_connect_timeout) as connection:
        lever(connection, issue_id)
        shown = publication.show(connection, issue_id)
    progress = shown.model_dump(mode="json", exclude={"issue"})
    return Response.json(HTTPStatus.ACCEPTED, _summary(request, shown.issue) | progress)


def _issue_id(request: Request) -> IssueId:
    try:
        return IssueId(UUID(request.path_parameters["id"]))
    except ValueError:
        raise IssueNotFound("there is no issue with this id") from None


def _idempotency_key(request: Request) -> IdempotencyKey:
    try:
        return IdempotencyKey(request.headers.get("idempotency-key", ""))
    except ValidationError as error:
        sentence = invalid_fields(error).errors["request"]
        raise InvalidRequest(
            f"an Idempotency-Key header is needed, a new one for each issue: {sentence}"
        ) from None


def _summary(request: Request, issue: Issue) -> dict[str, Any]:
    return issue.model_dump(mode="json") | {"href": request.link(f"/issues/{issue.id}")}


def _limit(text: str, most: int = PAGE_LIMIT) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise InvalidRequest(f"limit must be a number from 1 to {most}")
    return int(text)


def _read_ledger_cursor(text: str | None) -> tuple[UUID, int] | None:
    if text is None:
        return None
    subscriber_id, _, round_number = text.partition(".")
    try:
        return UUID(subscriber_id), int(round_number)
    except ValueError:
        raise InvalidRequest("after must be taken from the next link of a page") from None


def _cursor(issue: Issue) -> str:
    place = json.dumps([issue.created_at.isoformat(), str(issue.id)])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    if text is None:
        return None
    try:
        created_at, issue_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return datetime.fromisoformat(created_at), UUID(issue_id)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidRequest("before must be taken from the next link of a page") from None


handler = router(
    {
        "POST /issues": publish,
        "GET /issues": list_issues,
        "GET /issues/{id}": show_issue,
        "GET /issues/{id}/deliveries": show_deliveries,
        "POST /issues/{id}/pause": pause,
        "POST /issues/{id}/resume": resume,
        "POST /issues/{id}/cancel": cancel,
        "POST /issues/{id}/retry": retry,
        "POST /issues/{id}/schedule": reschedule,
    }
)

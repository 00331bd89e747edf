"""An author's endpoints: publish an issue, list issues, show one with its books."""

import base64
import json
import re
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.database.issues_table import Issue
from broadsheet.domain.errors import InvalidRequest, IssueNotFound
from broadsheet.domain.issues import IdempotencyKey, IssueId, PublishRequest
from broadsheet.services import publication
from broadsheet.web.http import Answer, Request, endpoints, invalid_fields

LARGEST_BODY = 2 * 1024 * 1024  # bytes; two bodies of MAX_CONTENT_CHARACTERS, mostly ASCII
PAGE_LIMIT = 100


def publish(request: Request) -> Answer:
    """Publish an issue; the same key and request give the first answer again."""
    key = _idempotency_key(request)
    try:
        wanted = PublishRequest.model_validate(request.document(LARGEST_BODY))
    except ValidationError as error:
        raise invalid_fields(error) from None
    with connected(settings.waits().database_patience_of_publish) as connection:
        issue = publication.publish(connection, request.author, key, wanted, request.correlation_id)
    location = request.link(f"/issues/{issue.id}")
    constant = {"id", "author", "title", "publish_at", "created_at"}  # the first answer, always
    answer = issue.model_dump(mode="json", include=constant) | {"href": location}
    return Answer.json(HTTPStatus.ACCEPTED, answer, {"Location": location})


def list_issues(request: Request) -> Answer:
    """List issues, newest first, a page at a time."""
    limit = _limit(request.query.get("limit", "20"))
    before = _read_cursor(request.query.get("before"))
    with connected(settings.waits().database_patience_of_publish) as connection:
        issues = publication.newest(connection, limit + 1, before)
    page, more = issues[:limit], issues[limit:]
    return Answer.json(
        HTTPStatus.OK,
        {
            "issues": [_summary(request, issue) for issue in page],
            "next": request.link(f"/issues?limit={limit}&before={_cursor(page[-1])}")
            if more
            else None,
        },
    )


def show_issue(request: Request) -> Answer:
    """Show an issue and where its audience is."""
    try:
        issue_id = IssueId(UUID(request.path_parameters["id"]))
    except ValueError:
        raise IssueNotFound("there is no issue with this id") from None
    with connected(settings.waits().database_patience_of_publish) as connection:
        shown = publication.show(connection, issue_id)
    books = shown.books.model_dump() if shown.books else None
    return Answer.json(HTTPStatus.OK, _summary(request, shown.issue) | {"books": books})


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


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= PAGE_LIMIT:
        raise InvalidRequest(f"limit must be a number from 1 to {PAGE_LIMIT}")
    return int(text)


def _cursor(issue: Issue) -> str:
    place = json.dumps([issue.created_at.isoformat(), str(issue.id)])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    if text is None:
        return None
    try:
        created_at, issue_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return datetime.fromisoformat(created_at), UUID(issue_id)
    except (ValueError, TypeError, AttributeError):
        raise InvalidRequest("before must be taken from the next link of a page") from None


handler = endpoints(
    {
        "POST /issues": publish,
        "GET /issues": list_issues,
        "GET /issues/{id}": show_issue,
    }
)

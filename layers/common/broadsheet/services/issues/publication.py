"""Publishes issues, and shows their authors how far they have come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from broadsheet import dispatch_kick, issue_clock, settings
from broadsheet.database import issues_table, subscribers_table
from broadsheet.database.connection import snapshot
from broadsheet.database.ledger import books, page
from broadsheet.domain.errors import IdempotencyKeyReused, IssueNotFound
from broadsheet.domain.issues import Issue, IssueId, IssueStatus, NewIssue
from broadsheet.domain.ledger import Books
from broadsheet.mail import issue_mail
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import IdempotencyKey, PublishRequest
    from broadsheet.domain.ledger import LedgerRow


class IssueWithBooks(BaseModel):
    """An issue, and its books once its audience is frozen.

    ``seconds_to_go``: how long the waiting recipients will take at the present rate; None when
    sending doesn't go on by itself.
    """

    model_config = ConfigDict(frozen=True)

    issue: Issue
    books: Books | None
    seconds_to_go: float | None


def publish(
    connection: Connection,
    author: AuthorName,
    key: IdempotencyKey,
    request: PublishRequest,
    correlation_id: str,
) -> Issue:
    """Publish an issue once, however often it is requested with the same key.

    The issue and its clock are made in one transaction. When the clock can't be made, nothing has
    happened; when the commit fails, the clock finds no issue and is deleted.
    Raises ``IdempotencyKeyReused`` for the same key with another request, and
    ``DependencyUnavailable``.
    """
    new = NewIssue(
        id=IssueId.new(),
        author=author,
        idempotency_key=key,
        request_digest=request.digest,
        title=request.title,
        content=request.content,
        rendered=issue_mail.render_issue(request.title, request.content, settings.newsletter()),
        publish_at=request.publish_at or datetime.now(UTC),
        careful=request.careful,
    )
    with connection.transaction():
        is_new = issues_table.insert(connection, new)
        keyed = issues_table.find_by_key(connection, author, key)
        if keyed.request_digest != request.digest:
            raise IdempotencyKeyReused
        if is_new:
            issue_clock.start(new.id, new.publish_at, correlation_id)
    if is_new:
        count("IssuesPublished")
        logger.info("issue published", issue_id=str(new.id), publish_at=new.publish_at.isoformat())
    if keyed.publish_at <= datetime.now(UTC):
        dispatch_kick.kick(keyed.id, correlation_id)
    return keyed


def audience_now(connection: Connection) -> int:
    """Return how many readers an issue would have now; above 10,000, about how many."""
    return subscribers_table.count_confirmed(connection)


def show(connection: Connection, issue_id: IssueId) -> IssueWithBooks:
    """Return an issue with its books, both as of one moment. Raises ``IssueNotFound``."""
    with snapshot(connection):
        issue = issues_table.find(connection, issue_id)
        if issue is None:
            raise IssueNotFound
        shown = (
            None
            if issue.audience is None
            else books.read_books(
                connection,
                issue_id,
                issue.audience,
                canceled=issue.status is IssueStatus.CANCELED,
            )
        )
        rate = pacing.present_rate(connection)
    return IssueWithBooks(
        issue=issue, books=shown, seconds_to_go=_seconds_to_go(issue, shown, rate)
    )


def _seconds_to_go(issue: Issue, shown: Books | None, rate: float | None) -> float | None:
    if shown is None or issue.status is not IssueStatus.SENDING or rate is None:
        return None
    return round(shown.waiting / rate, 1)


def ledger(
    connection: Connection, issue_id: IssueId, limit: int, after: tuple[UUID, int] | None
) -> Sequence[LedgerRow]:
    """Return a page of an issue's ledger. Raises ``IssueNotFound``."""
    if issues_table.find(connection, issue_id) is None:
        raise IssueNotFound
    return page.read_page(connection, issue_id, limit, after)


def newest(
    connection: Connection, limit: int, before: tuple[datetime, UUID] | None
) -> Sequence[Issue]:
    """Return up to ``limit`` issues, newest first; ``before`` is where the previous page ended."""
    return issues_table.find_newest(connection, limit, before)

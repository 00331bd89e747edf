"""Publishing an issue, and telling its author how far it has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from broadsheet import dispatch_kick, issue_clock, settings
from broadsheet.database import deliveries_table, issues_table, subscribers_table
from broadsheet.database.deliveries_table import Books, LedgerRow
from broadsheet.database.issues_table import Issue, NewIssue
from broadsheet.domain.errors import IdempotencyKeyReused, IssueNotFound
from broadsheet.domain.issues import IssueId, IssueStatus
from broadsheet.mail import rendering
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IdempotencyKey, PublishRequest


class IssueWithBooks(BaseModel):
    """An issue, and where its audience is once it is frozen.

    ``seconds_to_go``: how long those who wait will take at the rate allowed now; None when they
    don't go on by themselves.
    """

    model_config = ConfigDict(frozen=True)

    issue: Issue
    books: Books | None
    seconds_to_go: float | None


def publish(
    connection: Connection,
    author: str,
    key: IdempotencyKey,
    request: PublishRequest,
    correlation_id: str,
) -> Issue:
    """Publish an issue once, however often it is asked for with the same key.

    The issue and its clock are made in one transaction: when the clock can't be made nothing
    has happened, and when the commit fails the clock finds no issue and deletes itself.
    Raises ``IdempotencyKeyReused`` for the same key with another request, and
    ``DependencyUnavailable``.
    """
    new = NewIssue(
        id=IssueId.new(),
        author=author,
        idempotency_key=str(key),
        request_digest=request.digest,
        title=request.title,
        content=request.content,
        rendered=rendering.render_issue(request.title, request.content, settings.newsletter()),
        publish_at=request.publish_at or datetime.now(UTC),
    )
    with connection.transaction():
        is_new = issues_table.insert(connection, new)
        keyed = issues_table.find_by_key(connection, author, str(key))
        if keyed.request_digest != request.digest:
            raise IdempotencyKeyReused
        if is_new:
            issue_clock.start(new.id, new.publish_at, correlation_id)
    if is_new:
        count("IssuesPublished")
        logger.info("issue published", issue_id=str(new.id), publish_at=new.publish_at.isoformat())
    if keyed.issue.publish_at <= datetime.now(UTC):
        dispatch_kick.kick(keyed.issue.id, correlation_id)
    return keyed.issue


def audience_now(connection: Connection) -> int:
    """Return how many readers an issue would have now; above 10,000, about how many."""
    return subscribers_table.count_confirmed(connection)


def show(connection: Connection, issue_id: IssueId) -> IssueWithBooks:
    """Return an issue with its books, both as of one moment. Raises ``IssueNotFound``."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        issue = issues_table.find(connection, issue_id)
        if issue is None:
            raise IssueNotFound
        books = (
            None
            if issue.audience is None
            else deliveries_table.books(
                connection,
                issue_id,
                issue.audience,
                canceled=issue.status is IssueStatus.CANCELED,
            )
        )
        pace = pacing.present_rate(connection)
    is_going_on = books is not None and issue.status is IssueStatus.SENDING and pace is not None
    return IssueWithBooks(
        issue=issue,
        books=books,
        seconds_to_go=round(books.waiting / pace, 1) if is_going_on and books and pace else None,
    )


def ledger(
    connection: Connection, issue_id: IssueId, limit: int, after: tuple[UUID, int] | None
) -> Sequence[LedgerRow]:
    """Return a page of an issue's ledger. Raises ``IssueNotFound``."""
    if issues_table.find(connection, issue_id) is None:
        raise IssueNotFound
    return deliveries_table.page(connection, issue_id, limit, after)


def newest(
    connection: Connection, limit: int, before: tuple[datetime, UUID] | None
) -> Sequence[Issue]:
    """Return up to ``limit`` issues, newest first, older than where the page before ended."""
    return issues_table.find_newest(connection, limit, before)

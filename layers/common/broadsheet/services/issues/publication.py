"""Publishes issues, and shows their authors how far they have come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from broadsheet import dispatch_kick, issue_clock
from broadsheet.database import issues_table, publications_table
from broadsheet.database.connection import snapshot
from broadsheet.database.ledger import books, page
from broadsheet.domain import audiences
from broadsheet.domain.books import Books
from broadsheet.domain.errors import IdempotencyKeyReused, IssueNotFound, SlugTaken
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issues import IssueId, IssueStatus, Slug
from broadsheet.domain.publications import NewIssue
from broadsheet.services import looks
from broadsheet.services.issues import careful_start, checking, counting, links, waiting
from broadsheet.services.issues.waiting import Wait
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.books import LedgerRow
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_requests import Plan, PublishRequest
    from broadsheet.domain.issues import RenderedIssue
    from broadsheet.domain.publications import IdempotencyKey
    from broadsheet.domain.segments import SegmentName
    from broadsheet.services.sending.pacing import Allowed


class IssueWithBooks(BaseModel):
    """An issue, and its books once its audience is frozen.

    ``seconds_to_go``: how long the waiting recipients will take at the present rate, and a hold
    before; None when sending doesn't go on by itself, or not today. ``waits``: why the waiting
    recipients don't get it now.
    """

    model_config = ConfigDict(frozen=True)

    issue: Issue
    books: Books | None
    seconds_to_go: float | None
    waits: Wait | None


class Published(NamedTuple):
    """An issue that was published, and what its author is warned of."""

    issue: Issue
    findings: Sequence[Finding]


def publish(
    connection: Connection,
    author: AuthorName,
    key: IdempotencyKey,
    request: PublishRequest,
    correlation_id: str,
) -> Published:
    """Publish an issue, or store a draft, once, however often it is requested with the same key.

    The issue and its clock are made in one transaction. When the clock can't be made, nothing has
    happened; when the commit fails, the clock finds no issue and is deleted. A draft has no clock.
    Raises ``UnsendableIssue`` with all findings, unless it is a draft; ``IdempotencyKeyReused`` for
    the same key with another request, ``SlugTaken``, and ``DependencyUnavailable``.
    """
    known = publications_table.find_by_key(connection, author, key)
    known_links = None if request.draft else links.known(connection)
    checked = checking.check(request, looks.newsletter(connection), known_links)
    beside = checking.beside_content(
        connection,
        request,
        request.publish_at,
        known.id if known else None,
        is_draft=request.draft,
    )
    new = new_issue(author, key, request, checked.rendered)
    with connection.transaction():
        found = [*checked.findings, *checking.of_segment(connection, request.segment)]
        if not request.draft and known is None:  # what was published once stays so
            checking.refuse_errors(found, request.accept_warnings)
        issue, is_new = insert_once(connection, new, request.slug, correlation_id)
        if is_new:
            links.keep(connection, issue.id, checked.links)
    if is_new and request.draft:
        logger.info("draft stored", issue_id=str(new.id))
    elif is_new:
        log_publication(issue)
    kick_if_due(issue, correlation_id)
    return Published(issue, [*found, *beside])


def new_issue(
    author: AuthorName, key: IdempotencyKey, request: PublishRequest, rendered: RenderedIssue
) -> NewIssue:
    """Return the issue that a request asks for, to be inserted."""
    at_once = None if request.draft else datetime.now(UTC)
    return NewIssue(
        id=IssueId.new(),
        author=author,
        idempotency_key=key,
        request_digest=request.digest,
        title=request.title,
        content=request.content,
        preheader=request.preheader,
        archive=request.archive is not False,
        rendered=rendered,
        status=IssueStatus.DRAFT if request.draft else IssueStatus.SCHEDULED,
        publish_at=request.publish_at or at_once,
        careful=request.careful,
        segment=request.segment,
    )


def insert_once(
    connection: Connection, new: NewIssue, chosen: Slug | None, correlation_id: str
) -> tuple[Issue, bool]:
    """Insert an issue with its clock, unless its key names one already, which is returned.

    The caller holds a transaction. ``chosen``: the author's slug. Returns also whether the issue
    is new. Raises ``IdempotencyKeyReused``, ``SlugTaken`` and ``DependencyUnavailable``.
    """
    while True:
        slug = chosen or issues_table.free_slug(connection, Slug.of_title(new.title))
        is_new = publications_table.insert(connection, new, slug)
        keyed = find_by_key(connection, new)
        if keyed is not None:
            break
        if chosen is not None:
            raise SlugTaken(str(slug))
        # Another issue has taken the free slug meanwhile.
    if is_new and new.publish_at and new.status is not IssueStatus.DRAFT:
        issue_clock.start(new.id, new.publish_at, correlation_id)
    return keyed, is_new


def find(connection: Connection, issue_id: IssueId) -> Issue:
    """Return an issue without its books. Raises ``IssueNotFound``."""
    issue = issues_table.find(connection, issue_id)
    if issue is None:
        raise IssueNotFound
    return issue


def find_keyed(connection: Connection, author: AuthorName, key: IdempotencyKey) -> Issue:
    """Return the issue that an author's key names. Raises ``IssueNotFound``."""
    issue = publications_table.find_by_key(connection, author, key)
    if issue is None:
        raise IssueNotFound
    return issue


def find_by_key(connection: Connection, new: NewIssue) -> Issue | None:
    """Return the issue that a new one's key names. Raises ``IdempotencyKeyReused``."""
    keyed = publications_table.find_by_key(connection, new.author, new.idempotency_key)
    if keyed is not None and keyed.request_digest != new.request_digest:
        raise IdempotencyKeyReused
    return keyed


def log_publication(issue: Issue) -> None:
    """Count and log that an issue was published, now or for later."""
    count("IssuesPublished")
    logger.info("issue published", issue_id=str(issue.id), publish_at=issue.due_at.isoformat())


def kick_if_due(issue: Issue, correlation_id: str) -> None:
    """Kick dispatch for an issue whose time has come; never for a draft."""
    if issue.due_at <= datetime.now(UTC):
        dispatch_kick.kick(issue.id, correlation_id)


def segment_of(connection: Connection, issue_id: IssueId, plan: Plan) -> SegmentName | None:
    """Return the segment that an issue will be for; None for everybody.

    Raises ``IssueNotFound``.
    """
    return plan.segment_of(find(connection, issue_id))


def look(
    connection: Connection, issue_id: IssueId, correlation_id: str
) -> tuple[IssueWithBooks, datetime | None]:
    """Return an issue with its books, of a large one as they are stored.

    Return also when these were counted; None for now. Dispatch is asked to count them again if
    they are old. Raises ``IssueNotFound``.
    """
    issue = find(connection, issue_id)
    stored = counting.find(connection, issue)
    if audiences.is_large(issue.audience) and counting.is_old(issue, stored):
        dispatch_kick.kick(issue_id, correlation_id)
    if stored is None:
        return show(connection, issue_id), None
    at_most, is_quota_spent = pacing.present(connection)
    shown = _with_pace(issue, stored.books, at_most, is_quota_spent=is_quota_spent)
    return shown, stored.counted_at


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
        at_most, is_quota_spent = pacing.present(connection)
    return _with_pace(issue, shown, at_most, is_quota_spent=is_quota_spent)


def _with_pace(
    issue: Issue, shown: Books | None, at_most: Allowed | None, *, is_quota_spent: bool
) -> IssueWithBooks:
    if shown is None or issue.status is not IssueStatus.SENDING:
        return IssueWithBooks(issue=issue, books=shown, seconds_to_go=None, waits=None)
    return IssueWithBooks(
        issue=issue,
        books=shown,
        seconds_to_go=_seconds_to_go(issue, shown, at_most),
        waits=waiting.wait(issue, at_most, is_quota_spent=is_quota_spent)
        if shown.waiting
        else None,
    )


def _seconds_to_go(issue: Issue, shown: Books, at_most: Allowed | None) -> float | None:
    if at_most is None or (at_most.left is not None and shown.waiting > at_most.left):
        return None
    return round(shown.waiting / at_most.rate + careful_start.seconds_held(issue), 1)


def ledger(
    connection: Connection, issue_id: IssueId, limit: int, after: tuple[UUID, int] | None
) -> Sequence[LedgerRow]:
    """Return a page of an issue's ledger. Raises ``IssueNotFound``."""
    find(connection, issue_id)
    return page.read_page(connection, issue_id, limit, after)


def newest(
    connection: Connection,
    limit: int,
    before: tuple[datetime, UUID] | None,
    statuses: Collection[IssueStatus] = tuple(IssueStatus),
) -> Sequence[Issue]:
    """Return up to ``limit`` issues, newest first; ``before`` is where the previous page ended."""
    return issues_table.find_newest(connection, limit, before, statuses)

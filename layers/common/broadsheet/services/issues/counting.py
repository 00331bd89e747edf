"""Counts an issue's mails, and stores the result for whoever only looks at it.

A million mails take half a second to count: dispatch counts a large issue while it is sent, when it
has ended, and when somebody looks at it; a small one is counted whenever its numbers are old.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet.database import issue_counts_table, issues_table
from broadsheet.database.ledger import books
from broadsheet.domain import audiences
from broadsheet.domain.issues import IssueStatus

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.database.issue_counts_table import CountedBooks
    from broadsheet.domain.books import Books
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId

_UNDER_WAY = {IssueStatus.SENDING, IssueStatus.PAUSED}
_SOON = timedelta(seconds=15)  # counting a million as often takes three hundredths of a core


def count(connection: Connection, issue: Issue) -> Books:
    """Count an issue that has begun; of a large one, store the result as well.

    The caller holds a transaction.
    """
    counted = _read(connection, issue)
    if audiences.is_large(issue.audience):
        issue_counts_table.store(connection, issue.id, counted)
    return counted


def store(connection: Connection, issue_id: IssueId) -> None:
    """Count an issue that has begun, and store the result."""
    issue = issues_table.find(connection, issue_id)
    if issue is not None:
        with connection.transaction():
            issue_counts_table.store(connection, issue_id, _read(connection, issue))


def _read(connection: Connection, issue: Issue) -> Books:
    canceled = issue.status is IssueStatus.CANCELED
    return books.read_books(connection, issue.id, issue.audience or 0, canceled=canceled)


def is_stale(frozen_at: datetime, counted_at: datetime | None) -> bool:
    """Return whether an issue's counts may be wrong by now: the older it is, the rarer its news."""
    if counted_at is None:
        return True
    age_then = counted_at - frozen_at
    return datetime.now(UTC) - counted_at > max(age_then / 50, timedelta(minutes=1))


def refresh(connection: Connection, issue: Issue) -> None:
    """Count a large issue again if its counts are old."""
    stored = find(connection, issue)
    # What waits in a canceled issue is left out as soon as no deliver holds it.
    is_ending = issue.status is IssueStatus.CANCELED and stored and stored.books.waiting
    if is_ending or is_old(issue, stored):
        store(connection, issue.id)


def find(connection: Connection, issue: Issue) -> CountedBooks | None:
    """Return the stored books of a large issue; None for any other, or if it was sent on since."""
    if not audiences.is_large(issue.audience):
        return None
    stored = issue_counts_table.find(connection, issue.id)
    if stored is None or (issue.finished_at is not None and stored.counted_at < issue.finished_at):
        return None
    return stored


def is_old(issue: Issue, stored: CountedBooks | None) -> bool:
    """Return whether the stored books of a large issue that has begun may be wrong by now."""
    if stored is None or issue.frozen_at is None:
        return True
    is_ending = issue.status is IssueStatus.CANCELED and stored.books.waiting > 0
    if is_ending or issue.status in _UNDER_WAY:
        return datetime.now(UTC) - stored.counted_at > _SOON
    return is_stale(issue.frozen_at, stored.counted_at)

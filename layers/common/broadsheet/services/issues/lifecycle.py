"""What an author does with a published issue: pause, resume, cancel, retry, reschedule, archive.

Each action holds the issue's lock, as each step of dispatch does: it happens between two steps.
Repeating an action changes nothing. A draft is refused with ``IssueIsDraft``, a ``WrongState``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadsheet import dispatch_kick, issue_clock
from broadsheet.database import (
    delivery_batches_table,
    issues_table,
    pauses_table,
    publications_table,
)
from broadsheet.database.ledger import open_recipients
from broadsheet.domain import errors, pauses
from broadsheet.domain.issues import IssueStatus
from broadsheet.mail.ses.client import BULK_LIMIT
from broadsheet.services.sending import pacing
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId


def pause(connection: Connection, issue_id: IssueId) -> None:
    """Stop sending until ``resume``; claims that are under way still end.

    Raises ``IssueNotFound`` and, for an issue that has ended, ``WrongState``.
    """
    with connection.transaction():
        issue = _lock(connection, issue_id)
        _refuse_if_ended(issue)
        pauses_table.pause(connection, issue_id, pauses.BY_AUTHOR)
    outbox.kick(connection)  # a paused issue's clock may have been stopped
    logger.info("paused by the author", issue_id=str(issue_id))


def resume(connection: Connection, issue_id: IssueId, correlation_id: str) -> None:
    """Continue a paused issue. Raises as ``pause``."""
    with connection.transaction():
        issue = _lock(connection, issue_id)
        _refuse_if_ended(issue)
        issues_table.resume(connection, issue_id)
        # It may sleep until a hold ends that the breaker has ended before.
        issue_clock.move(issue_id, issue.due_at, correlation_id)
    dispatch_kick.kick(issue_id, correlation_id)
    logger.info("resumed by the author", issue_id=str(issue_id))


def cancel(connection: Connection, issue_id: IssueId, correlation_id: str) -> None:
    """Stop sending for good; dispatch closes the batches that wait.

    Raises ``IssueNotFound`` and, for an issue that is finished, ``WrongState``.
    """
    with connection.transaction():
        issue = _lock(connection, issue_id)
        if issue.status is IssueStatus.FINISHED:
            raise errors.IssueFinished
        issues_table.cancel(connection, issue_id)
        if issue.status is not IssueStatus.CANCELED:  # a paused one may have lost its clock
            issue_clock.start(issue_id, datetime.now(UTC), correlation_id)
    dispatch_kick.kick(issue_id, correlation_id)
    logger.info("canceled by the author", issue_id=str(issue_id))


def undo(connection: Connection, issue_id: IssueId, correlation_id: str) -> None:
    """Return a published issue to a draft, as long as sending has not begun: nobody gets it.

    A correction is canceled instead: another of the same issue then becomes possible. Raises
    ``IssueNotFound`` and, once it has begun, ``WrongState``.
    """
    with connection.transaction():
        issue = _found(issues_table.lock(connection, issue_id))
        if issue.status is IssueStatus.DRAFT:
            return
        if issue.frozen_at is not None or issue.status is IssueStatus.CANCELED:
            raise errors.IssueStarted(issue.status)
        if issue.corrected:
            issues_table.cancel(connection, issue_id)
        else:
            publications_table.undo_publication(connection, issue_id)
    dispatch_kick.kick(issue_id, correlation_id)  # which deletes its clock
    logger.info("publication undone by the author", issue_id=str(issue_id))


def retry(connection: Connection, issue_id: IssueId, correlation_id: str) -> int:
    """Send again, in a new round, to exactly those who failed; return their number.

    Zero when an earlier ``retry`` is still under way. Raises ``IssueNotFound``, and ``WrongState``
    when nobody has failed, or the issue was canceled or has not begun.
    """
    with connection.transaction():
        issue = _lock(connection, issue_id)
        if issue.frozen_at is None:
            raise errors.IssueNotStarted
        if issue.status is IssueStatus.CANCELED:
            raise errors.IssueCanceled
        failed = open_recipients.find_failed(connection, issue_id)
        if not failed and not delivery_batches_table.has_open_round(connection, issue_id):
            raise errors.NobodyFailed
        size = pacing.batch_size(pacing.known_rate(connection) or BULK_LIMIT)
        for round_number in sorted({each.round for each in failed}):
            again = [each.subscriber_id for each in failed if each.round == round_number]
            delivery_batches_table.insert_round(connection, issue_id, round_number + 1, again, size)
        issues_table.reopen(connection, issue_id)
        issue_clock.start(issue_id, issue.due_at, correlation_id)
    dispatch_kick.kick(issue_id, correlation_id)
    logger.info("retried by the author", issue_id=str(issue_id), recipients=len(failed))
    return len(failed)


def set_archive(
    connection: Connection, issue_id: IssueId, correlation_id: str, *, archive: bool
) -> None:
    """Put a finished issue into the public archive, or take it out; dispatch does it at once.

    Raises ``IssueNotFound`` and, for an issue that isn't finished, ``WrongState``: until then, an
    edit changes the mails' links to the archive as well.
    """
    with connection.transaction():
        issue = _lock(connection, issue_id)
        if issue.status is not IssueStatus.FINISHED:
            raise errors.IssueNotFinished(issue.status)
        if issue.archive is archive:
            return
        issues_table.set_archive(connection, issue_id, archive=archive)
        issue_clock.start(issue_id, issue.due_at, correlation_id)  # until the page is done
    dispatch_kick.kick(issue_id, correlation_id)
    logger.info("archive changed by the author", issue_id=str(issue_id), archive=archive)


def reschedule(
    connection: Connection, issue_id: IssueId, publish_at: datetime, correlation_id: str
) -> None:
    """Change the time of an issue that has not begun; a time that has passed publishes it at once.

    Raises ``IssueNotFound`` and, once it has begun, ``WrongState``.
    """
    with connection.transaction():
        issue = _lock(connection, issue_id)
        if issue.frozen_at is not None or issue.status is IssueStatus.CANCELED:
            raise errors.IssueStarted(issue.status)
        issues_table.reschedule(connection, issue_id, publish_at)
        issue_clock.move(issue_id, publish_at, correlation_id)
    if publish_at <= datetime.now(UTC):
        dispatch_kick.kick(issue_id, correlation_id)
    logger.info("moved by the author", issue_id=str(issue_id), publish_at=publish_at.isoformat())


def _lock(connection: Connection, issue_id: IssueId) -> Issue:
    issue = _found(issues_table.lock(connection, issue_id))
    if issue.status is IssueStatus.DRAFT:
        raise errors.IssueIsDraft
    return issue


def _refuse_if_ended(issue: Issue) -> None:
    if issue.status in {IssueStatus.FINISHED, IssueStatus.CANCELED}:
        raise errors.IssueEnded(issue.status)


def _found(issue: Issue | None) -> Issue:
    if issue is None:
        raise errors.IssueNotFound
    return issue

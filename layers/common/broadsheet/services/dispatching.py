"""Does for one issue what is due: freeze, hold, release, finish. Harmless when repeated.

Each step is a transaction of its own that first takes the issue's lock; a dispatch that finds it
taken ends, since another is doing the same work.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet import issue_clock, queues, settings
from broadsheet.database import deliveries_table, delivery_batches_table, issues_table
from broadsheet.domain.deliveries import Delivery, Outcome
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueStatus
from broadsheet.mail import ses_mailer
from broadsheet.telemetry import count, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Generator

    from broadsheet.database.connection import Connection
    from broadsheet.database.issues_table import Issue
    from broadsheet.domain.issues import IssueId

_ENDED = (IssueStatus.FINISHED, IssueStatus.CANCELED)


class _LockedByAnother(Exception):
    """Another dispatch works on this issue."""


def run(connection: Connection, issue_id: IssueId, correlation_id: str) -> None:
    """Do what is due for one issue."""
    issue = issues_table.find(connection, issue_id)
    if issue is None:
        _stop_orphaned_clock(issue_id)
        return
    try:
        if issue.status in _ENDED:
            _stop_clock(connection, issue_id)
        elif issue.status is not IssueStatus.PAUSED and issue.publish_at <= datetime.now(UTC):
            rate = ses_mailer.send_quota().max_per_second * settings.send_rate_share()
            _freeze(connection, issue_id, rate)
            _hold_what_a_crash_left(connection, issue_id)
            _release(connection, issue_id, rate, correlation_id)
            _finish(connection, issue_id)
    except _LockedByAnother:
        logger.info("another dispatch works on this issue", issue_id=str(issue_id))


def look_at_all(connection: Connection, correlation_id: str) -> None:
    """Start the clock of every open issue, in case it was lost."""
    for issue in issues_table.find_open(connection):
        try:
            issue_clock.start(issue.id, issue.publish_at, correlation_id)
        except DependencyUnavailable as error:  # the others have theirs all the same
            log_failure("a clock could not be made", error, issue_id=str(issue.id))
        logger.info("open issue", issue_id=str(issue.id), status=issue.status)


@contextmanager
def _locked(connection: Connection, issue_id: IssueId) -> Generator[Issue]:
    with connection.transaction():
        issue = issues_table.try_lock(connection, issue_id)
        if issue is None:
            raise _LockedByAnother
        yield issue


def _freeze(connection: Connection, issue_id: IssueId, rate: float) -> None:
    """Fix the audience, once: who is confirmed now gets the issue."""
    with _locked(connection, issue_id) as issue:
        if issue.frozen_at is not None or issue.status is not IssueStatus.SCHEDULED:
            return
        audience = delivery_batches_table.insert_audience(connection, issue_id, _batch_size(rate))
        issues_table.set_frozen(connection, issue_id, audience)
    logger.info("audience frozen", issue_id=str(issue_id), audience=audience)


def _batch_size(rate: float) -> int:
    """Return how many recipients a batch has: two seconds of sending, at most one call's worth."""
    return max(1, min(ses_mailer.BULK_LIMIT, int(settings.waits().batch_seconds * rate)))


def _hold_what_a_crash_left(connection: Connection, issue_id: IssueId) -> None:
    """Close the batches whose deliver died, and hold their open recipients as unresolved.

    SES may have taken their mail: nobody sends to them again blindly.
    """
    waits = settings.waits()
    dead_after = timedelta(seconds=waits.claim_taken_for_dead - waits.claim_deadline)
    with _locked(connection, issue_id):
        for claim in delivery_batches_table.lock_dead_claims(connection, issue_id, dead_after):
            recipients, others = deliveries_table.read_recipients(connection, claim)
            # Who has unsubscribed since may have been mailed before, and is held as well.
            left = [other.subscriber_id for other in others if other.outcome is Outcome.SKIPPED]
            unresolved = [
                Delivery(
                    subscriber_id=subscriber_id,
                    outcome=Outcome.UNRESOLVED,
                    reason="CLAIM_DIED",
                )
                for subscriber_id in [*(each.subscriber_id for each in recipients), *left]
            ]
            failed = [other for other in others if other.outcome is Outcome.FAILED]
            deliveries_table.record(connection, claim, [*failed, *unresolved])
            delivery_batches_table.close(connection, claim)
            count("MailsUnresolved", len(unresolved))
            logger.warning(
                "a claim died",
                issue_id=str(issue_id),
                batch=claim.number,
                unresolved=len(unresolved),
            )


def _release(connection: Connection, issue_id: IssueId, rate: float, correlation_id: str) -> None:
    """Put the next minutes' worth of batches on the queue, each delayed to about its turn."""
    waits = settings.waits()
    long_ago = timedelta(seconds=waits.released_long_ago)
    seconds_a_batch = _batch_size(rate) / rate
    with _locked(connection, issue_id) as issue:
        if issue.status is not IssueStatus.SENDING:
            return
        on_their_way = delivery_batches_table.count_released(connection, issue_id, long_ago)
        room = max(1, int(waits.release_window / seconds_a_batch)) - on_their_way
        if room <= 0:
            return
        pointers = delivery_batches_table.mark_released(connection, issue_id, room, long_ago)
    queues.send_pointers(
        (
            (pointer, (on_their_way + position) * seconds_a_batch)
            for position, pointer in enumerate(pointers)
        ),
        correlation_id,
    )
    if pointers:
        logger.info("batches released", issue_id=str(issue_id), batches=len(pointers))


def _finish(connection: Connection, issue_id: IssueId) -> None:
    with _locked(connection, issue_id):
        has_finished = issues_table.set_finished(connection, issue_id)
    if has_finished:
        count("IssuesFinished")
        logger.info("issue finished", issue_id=str(issue_id))


def _stop_clock(connection: Connection, issue_id: IssueId) -> None:
    """Delete an ended issue's clock, under the lock under which it would be made again."""
    with _locked(connection, issue_id) as issue:
        if issue.status in _ENDED:
            issue_clock.stop(issue_id)
            logger.info("clock stopped", issue_id=str(issue_id))


def _stop_orphaned_clock(issue_id: IssueId) -> None:
    """Delete a clock whose issue's commit failed, once no publishing can be under way."""
    age = issue_clock.age(issue_id)
    if age is not None and age > settings.waits().orphaned_clock:
        issue_clock.stop(issue_id)
    logger.warning("no such issue", issue_id=str(issue_id), clock_age=age)

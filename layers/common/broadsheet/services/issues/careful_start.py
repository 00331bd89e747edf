"""A careful start: holds the rest of an issue until its sample has proved good.

The sample's batches come first. Once each of their mails has an outcome, the rest is held for the
time that the author gave, while SES's events come in. Then dispatch looks at the breaker's counts
once more and sends the rest, or the issue stays paused.

Called by dispatch (``freeze``, ``advance``), and by what shows an issue. Feedback stops a bad
sample itself, at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import delivery_batches_table, feedback_progress_table, issues_table
from broadsheet.database.ledger import breaker_counts, unresolved
from broadsheet.domain import pauses
from broadsheet.domain.careful_start import LEAST_SAMPLE
from broadsheet.domain.issues import FrozenAudience, IssueStatus
from broadsheet.services.issues import pausing
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.careful_start import CarefulStart
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.segments import SegmentFilter


def freeze(
    connection: Connection,
    issue_id: IssueId,
    batch_size: int,
    segment: SegmentFilter | None,
    careful: CarefulStart,
) -> FrozenAudience:
    """Freeze an audience with its sample first; nobody is held if the sample is all of it."""
    sample = delivery_batches_table.insert_sample(
        connection, issue_id, batch_size, segment, share=careful.sample, least=LEAST_SAMPLE
    )
    rest = delivery_batches_table.insert_audience(connection, issue_id, batch_size, segment)
    return FrozenAudience(
        size=sample.size + rest,
        sample_size=sample.size or None,
        held_after=sample.last_batch if rest else None,
        segment=segment,
    )


def advance(connection: Connection, issue: Issue) -> None:
    """Begin the hold, or end it, as is due; the caller holds the issue's lock."""
    if issue.careful is None or issue.status is not IssueStatus.SENDING:
        return
    if issue.held_after is None:  # perhaps since the breaker has ended the hold
        delivery_batches_table.release_held(connection, issue.id)
    elif issue.held_until is None:
        _hold(connection, issue, issue.careful.hold, issue.held_after)
    elif issue.held_until <= datetime.now(UTC):
        _judge(connection, issue, issue.held_until)


def held_until(issue: Issue) -> datetime | None:
    """Return until when an issue's rest is held; None if it isn't, or not for a known time."""
    if issue.status is not IssueStatus.SENDING or issue.held_after is None:
        return None
    is_over = issue.held_until is not None and issue.held_until <= datetime.now(UTC)
    return None if is_over else issue.held_until


def seconds_held(issue: Issue) -> float:
    """Return how long the rest will still be held if the sample is good."""
    if issue.careful is None or issue.held_after is None:
        return 0
    if issue.held_until is None:
        return issue.careful.hold.total_seconds()
    return max(0.0, (issue.held_until - datetime.now(UTC)).total_seconds())


def _hold(connection: Connection, issue: Issue, duration: timedelta, sample_ends: int) -> None:
    if delivery_batches_table.has_open(connection, issue.id, up_to=sample_ends):
        return
    if unresolved.oldest_deadline(connection, issue.id) is not None:
        return
    held = issues_table.hold(connection, issue.id, duration)
    logger.info("the sample was sent", issue_id=str(issue.id), held_until=str(held.held_until))


def _judge(connection: Connection, issue: Issue, held_until: datetime) -> None:
    """Send the rest, unless the sample was bad, or nothing is known about it."""
    counts = breaker_counts.count_bounces_and_complaints(connection, issue.id)
    if counts.is_bad_sample:
        pausing.stop_bad_sample(connection, issue.id, counts)
    elif _is_reported(connection, issue):
        issues_table.end_hold(connection, issue.id)
        delivery_batches_table.release_held(connection, issue.id)
        logger.info("the sample was good", issue_id=str(issue.id), **counts._asdict())
    elif datetime.now(UTC) < held_until + timedelta(seconds=settings.timings().grace):
        logger.warning("no event of the sample was recorded", issue_id=str(issue.id))
    else:
        pausing.trip_breaker(
            connection,
            issue.id,
            pauses.SILENT_SAMPLE.format(sample=issue.sample_size),
        )


def _is_reported(connection: Connection, issue: Issue) -> bool:
    """Return whether an event of a mail sent since the freeze was recorded, if there is any."""
    latest = feedback_progress_table.read(connection).latest_mail_at
    if latest is not None and issue.frozen_at is not None and latest >= issue.frozen_at:
        return True
    return breaker_counts.count_accepted(connection, issue.id) == 0

"""Pauses an issue that needs the operator's or its author's attention.

Called by deliver, when SES refuses the account; by feedback, for the breaker; and by a careful
start whose sample was bad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import pauses_table
from broadsheet.domain import pauses
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.breaker import BreakerCounts
    from broadsheet.domain.issues import IssueId


def pause_because(
    connection: Connection, issue_id: IssueId, reason: str, *, ends_hold: bool = False
) -> None:
    """Pause an issue, and raise the alarm if it was running.

    ``ends_hold``: whether ``resume`` sends also to those whom a careful start held until now.
    """
    if pauses_table.pause(connection, issue_id, reason, ends_hold=ends_hold):
        count("IssuesPaused")
        logger.error("issue paused", issue_id=str(issue_id), reason=reason)


def trip_breaker(connection: Connection, issue_id: IssueId, reason: str) -> None:
    """Pause an issue because of its own mails.

    The author decides what comes then: ``resume`` sends to everybody, with the breaker counting
    from zero.
    """
    pause_because(connection, issue_id, reason, ends_hold=True)


def stop_bad_sample(connection: Connection, issue_id: IssueId, counts: BreakerCounts) -> None:
    """Pause an issue whose sample was bad, and say how bad."""
    sample = pauses_table.find_sample(connection, issue_id)
    if sample is None:
        raise LookupError("the issue has no sample")
    trip_breaker(
        connection,
        issue_id,
        pauses.BAD_SAMPLE.format(
            sample=sample.size,
            bounced=counts.bounced,
            complained=counts.complained,
            held=sample.audience - sample.size,
        ),
    )

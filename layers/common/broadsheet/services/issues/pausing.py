"""Pauses an issue that needs the operator's or its author's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import issues_table
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId

BY_AUTHOR = "the author paused it"


def pause_because(connection: Connection, issue_id: IssueId, reason: str) -> bool:
    """Pause an issue, and raise the alarm if it was running; return whether it was."""
    has_paused = issues_table.pause(connection, issue_id, reason)
    if has_paused:
        count("IssuesPaused")
        logger.error("issue paused", issue_id=str(issue_id), reason=reason)
    return has_paused


def trip_breaker(connection: Connection, issue_id: IssueId, reason: str) -> None:
    """Pause an issue because of its own mails.

    The author decides what comes then: ``resume`` sends to everybody, also whom a careful start
    held until now, with the breaker counting from zero.
    """
    with connection.transaction():
        if pause_because(connection, issue_id, reason):
            issues_table.end_hold(connection, issue_id)

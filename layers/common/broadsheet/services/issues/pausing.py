"""Pauses an issue that needs the operator's or its author's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import issues_table
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId

BY_AUTHOR = "the author paused it"


def pause_because(connection: Connection, issue_id: IssueId, reason: str) -> None:
    """Pause an issue, and raise the alarm if it was not paused before."""
    if issues_table.pause(connection, issue_id, reason):
        count("IssuesPaused")
        logger.error("issue paused", issue_id=str(issue_id), reason=reason)

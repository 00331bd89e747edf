"""Does what the archive owes, as work that is owed until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import owed_pages_table
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.telemetry import log_failure

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def settle(connection: Connection, issue_id: IssueId) -> None:
    """Do what the archive owes to an issue, unless S3 doesn't answer, or the archive is busy."""
    try:
        _settle(connection, issue_id)
    except DependencyUnavailable as error:  # it stays owed, and sending goes on
        log_failure("the archive could not be written", error, issue_id=str(issue_id))


def _settle(connection: Connection, issue_id: IssueId) -> None:
    if not owed_pages_table.is_owed(connection, issue_id):
        return
    # Dispatch needs it once an issue, and wakes each minute: it is a twentieth of the import.
    from broadsheet.services.issues import archive_pages  # noqa: PLC0415 - see above

    archive_pages.settle(connection, issue_id)


def settle_all(connection: Connection) -> None:
    """Do all that the archive owes, as after an update from a release without an archive."""
    for issue_id in owed_pages_table.find_all_owed(connection):
        try:
            _settle(connection, issue_id)
        except Exception as error:
            if connection.closed:
                raise
            # The other issues get their pages all the same.
            log_failure("an issue could not be archived", error, issue_id=str(issue_id))
            if isinstance(error, DependencyUnavailable):
                return


def is_settled(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether the archive owes nothing to an issue."""
    return not owed_pages_table.is_owed(connection, issue_id)


def count_owed_since(connection: Connection, begun_before: datetime) -> int:
    """Return how many issues that began before a time still wait for the archive."""
    return owed_pages_table.count_owed(connection, begun_before)

"""Has the circulation of finished issues certified, as work that is owed until it is done.

A statement is made when an issue has finished. SES's events still come for days: it is counted
again once a day, until it is final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import owed_statements_table
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.telemetry import log_failure

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def settle(connection: Connection, issue_id: IssueId) -> None:
    """Make an issue's statement if it is owed, unless S3 or the secret doesn't answer."""
    try:
        _settle(connection, issue_id)
    except DependencyUnavailable as error:  # it stays owed
        log_failure("the circulation could not be certified", error, issue_id=str(issue_id))


def settle_all(connection: Connection) -> None:
    """Make the statements that are owed, and publish keys that were added or retired."""
    from broadsheet.services.issues import statements  # noqa: PLC0415 - see _settle

    try:
        statements.publish_keys(connection)
    except DependencyUnavailable as error:
        log_failure("the keys of statements could not be published", error)
        return
    for issue_id in owed_statements_table.find_owed(connection):
        try:
            settle(connection, issue_id)
        except Exception as error:
            if connection.closed:
                raise
            # The other issues get their statements all the same.
            log_failure("an issue could not be certified", error, issue_id=str(issue_id))


def is_settled(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether an issue needs no statement now."""
    return not owed_statements_table.is_owed(connection, issue_id)


def _settle(connection: Connection, issue_id: IssueId) -> None:
    if owed_statements_table.is_owed(connection, issue_id):
        # As archive_pages: dispatch seldom needs it, and wakes each minute.
        from broadsheet.services.issues import statements  # noqa: PLC0415 - see above

        statements.certify(connection, issue_id)

"""The versions of issues: each text as it was written, and as SES receives it.

A trigger of the table ``issues`` inserts them, so that no issue lacks its current one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.issues import IssueVersion, RenderedVersion

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


_FIND = sql.SQL(
    """
    SELECT {columns} FROM issue_versions
    WHERE issue_id = %(issue_id)s AND version = %(version)s
    """
).format(columns=columns_of(IssueVersion))


def find(connection: Connection, issue_id: IssueId, version: int) -> IssueVersion | None:
    """Return a version of an issue as it was written."""
    with connection.cursor(row_factory=class_row(IssueVersion)) as cursor:
        return cursor.execute(_FIND, {"issue_id": issue_id.root, "version": version}).fetchone()


def rendered(connection: Connection, issue_id: IssueId, version: int) -> RenderedVersion:
    """Return the templates that SES gets for a version of an issue."""
    with connection.cursor(row_factory=class_row(RenderedVersion)) as cursor:
        row = cursor.execute(
            """
            SELECT rendered.subject, rendered.html, rendered.text, issues.slug
            FROM issue_versions AS rendered JOIN issues ON issues.id = rendered.issue_id
            WHERE rendered.issue_id = %(issue_id)s AND rendered.version = %(version)s
            """,
            {"issue_id": issue_id.root, "version": version},
        ).fetchone()
    if row is None:
        raise LookupError("the issue has no such version")
    return row

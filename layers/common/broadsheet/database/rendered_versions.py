"""The templates that SES gets for a version of an issue: columns of the table ``issue_versions``.

Deliver needs nothing else of a version, and so nothing of what its author wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row

from broadsheet.domain.issues import RenderedVersion

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def find(connection: Connection, issue_id: IssueId, version: int) -> RenderedVersion:
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

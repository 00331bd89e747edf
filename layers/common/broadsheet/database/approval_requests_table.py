"""Requests for approval: each author asks once for a version of an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import Issue


def insert(connection: Connection, author: AuthorName, issue: Issue, mails: int) -> int | None:
    """Insert a request; of one that was made before, return how many mails it caused."""
    values = _key(author, issue) | {"mails": mails}
    inserted = connection.execute(
        """
        INSERT INTO approval_requests (issue_id, version, author, mails)
        VALUES (%(issue_id)s, %(version)s, %(author)s, %(mails)s)
        ON CONFLICT DO NOTHING
        """,
        values,
    )
    if inserted.rowcount == 1:
        return None
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT mails FROM approval_requests
            WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
            """,
            values,
        ).fetchone()


def count_of_day(connection: Connection, author: AuthorName) -> int:
    """Count an author's requests of the last 24 hours."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM approval_requests
                WHERE author = %(author)s AND requested_at > now() - interval '1 day'
                """,
                {"author": str(author)},
            ).fetchone()
            or 0
        )


def set_mails(connection: Connection, author: AuthorName, issue: Issue, mails: int) -> None:
    """Store how many mails a request has caused."""
    connection.execute(
        """
        UPDATE approval_requests SET mails = %(mails)s
        WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
        """,
        _key(author, issue) | {"mails": mails},
    )


def delete(connection: Connection, author: AuthorName, issue: Issue) -> None:
    """Delete a request of which no mail was sent, so that it can be made again."""
    connection.execute(
        """
        DELETE FROM approval_requests
        WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
        """,
        _key(author, issue),
    )


def _key(author: AuthorName, issue: Issue) -> dict[str, object]:
    return {"issue_id": issue.id.root, "version": issue.version, "author": str(author)}

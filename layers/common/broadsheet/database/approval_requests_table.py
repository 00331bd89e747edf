"""Requests for approval: each author asks once for a version of an issue."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issue_progress import Issue


def insert(connection: Connection, author: AuthorName, issue: Issue) -> bool:
    """Insert a request unless it was made before; return whether it is new."""
    inserted = connection.execute(
        """
        INSERT INTO approval_requests (issue_id, version, author)
        VALUES (%(issue_id)s, %(version)s, %(author)s)
        ON CONFLICT DO NOTHING
        """,
        _key(author, issue),
    )
    return inserted.rowcount == 1


def lock(connection: Connection, author: AuthorName, issue: Issue, address: str) -> bool:
    """Lock a request while an address is asked; return whether it still has to be.

    The draft, and the request with it, may have been deleted meanwhile: then it doesn't.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT NOT %(address)s = ANY (asked) FROM approval_requests
                WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
                FOR UPDATE
                """,
                _key(author, issue) | {"address": _digest(address)},
            ).fetchone()
        )


def add(connection: Connection, author: AuthorName, issue: Issue, address: str) -> None:
    """Store that an address was asked."""
    connection.execute(
        """
        UPDATE approval_requests SET asked = array_append(asked, %(address)s)
        WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
        """,
        _key(author, issue) | {"address": _digest(address)},
    )


def count_asked(connection: Connection, author: AuthorName, issue: Issue) -> int:
    """Count whom a request has reached."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT cardinality(asked) FROM approval_requests
                WHERE issue_id = %(issue_id)s AND version = %(version)s AND author = %(author)s
                """,
                _key(author, issue),
            ).fetchone()
            or 0
        )


def _digest(address: str) -> bytes:
    return sha256(address.encode()).digest()


def _key(author: AuthorName, issue: Issue) -> dict[str, object]:
    return {"issue_id": issue.id.root, "version": issue.version, "author": str(author)}

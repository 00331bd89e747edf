"""How many mails of an issue became what, as counted last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.books import Books

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


class CountedBooks(BaseModel):
    """An issue's books, and when they were counted."""

    model_config = ConfigDict(frozen=True)

    books: Books
    counted_at: datetime


def find(connection: Connection, issue_id: IssueId) -> CountedBooks | None:
    """Return an issue's stored books."""
    with connection.cursor(row_factory=class_row(CountedBooks)) as cursor:
        return cursor.execute(
            """
            SELECT books, counted_at FROM issue_counts
            WHERE issue_id = %(id)s AND books IS NOT NULL
            """,
            {"id": issue_id.root},
        ).fetchone()


def store(connection: Connection, issue_id: IssueId, counted: Books) -> None:
    """Store an issue's books as of now."""
    connection.execute(
        """
        INSERT INTO issue_counts (issue_id, accepted, delivered, bounced, complained, books)
        VALUES (
            %(id)s, %(accepted)s, %(delivered)s, %(bounced)s, %(complained)s, %(books)s
        )
        ON CONFLICT (issue_id) DO UPDATE
        SET accepted = excluded.accepted,
            delivered = excluded.delivered,
            bounced = excluded.bounced,
            complained = excluded.complained,
            books = excluded.books,
            counted_at = now()
        """,
        {
            "id": issue_id.root,
            "accepted": counted.accepted,
            "delivered": counted.delivered,
            "bounced": counted.bounced,
            "complained": counted.complained,
            "books": Jsonb(counted.model_dump(mode="json")),
        },
    )

"""Test mails: how many an author may still send today."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


def take(connection: Connection, author: AuthorName, mails: int, most: int) -> datetime | None:
    """Count mails of an author's day (UTC) if all of them fit into it; return None if they do.

    Otherwise nothing is counted, and the end of the day is returned.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        counted = cursor.execute(
            """
            INSERT INTO test_mail_budgets AS budget (author, day, mails)
            VALUES (%(author)s, (now() AT TIME ZONE 'UTC')::date, %(mails)s)
            ON CONFLICT (author) DO UPDATE
            SET day = excluded.day,
                mails = excluded.mails
                        + CASE WHEN budget.day = excluded.day THEN budget.mails ELSE 0 END
            WHERE budget.day < excluded.day OR budget.mails + excluded.mails <= %(most)s
            RETURNING true
            """,
            {"author": str(author), "mails": mails, "most": most},
        ).fetchone()
    if counted:
        return None
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), UTC)

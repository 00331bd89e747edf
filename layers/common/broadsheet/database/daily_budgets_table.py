"""Daily budgets: how much an author may still do of a kind today."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


class Kind(StrEnum):
    """What is counted."""

    TEST_MAILS = "test_mails"
    APPROVAL_REQUESTS = "approval_requests"
    SIGN_IN_MAILS = "sign_in_mails"


def take(
    connection: Connection, author: AuthorName, kind: Kind, count: int, most: int
) -> datetime | None:
    """Count what an author does in a day (UTC) if all of it fits; return None if it does.

    Otherwise nothing is counted, and the end of the day is returned.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        counted = cursor.execute(
            """
            INSERT INTO daily_budgets AS budget (author, kind, day, used)
            VALUES (%(author)s, %(kind)s, (now() AT TIME ZONE 'UTC')::date, %(count)s)
            ON CONFLICT (author, kind) DO UPDATE
            SET day = excluded.day,
                used = excluded.used
                       + CASE WHEN budget.day = excluded.day THEN budget.used ELSE 0 END
            WHERE budget.day < excluded.day OR budget.used + excluded.used <= %(most)s
            RETURNING true
            """,
            {"author": str(author), "kind": kind, "count": count, "most": most},
        ).fetchone()
    if counted:
        return None
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), UTC)

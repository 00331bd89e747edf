"""The ledger's counts that the breaker decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row

from broadsheet.domain.breaker import BreakerCounts

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def count_bounces_and_complaints(connection: Connection, issue_id: IssueId) -> BreakerCounts:
    """Count the issue's permanent bounces and complaints since its breaker was last reset."""
    with connection.cursor(row_factory=class_row(BreakerCounts)) as cursor:
        counts = cursor.execute(
            """
            SELECT count(*) FILTER (
                       WHERE bounced_at IS NOT NULL AND suppressed_as IS NULL
                   ) AS bounced,
                   count(*) FILTER (
                       WHERE complained_at IS NOT NULL AND suppressed_as IS NULL
                   ) AS complained,
                   (
                       SELECT sample_size FROM issues
                       WHERE id = %(issue_id)s AND held_after IS NOT NULL
                   ) AS sample
            FROM deliveries AS ledger
            WHERE issue_id = %(issue_id)s
              AND (bounced_at IS NOT NULL OR complained_at IS NOT NULL)
              AND recorded_at >= (SELECT breaker_since FROM issues WHERE id = %(issue_id)s)
            """,
            {"issue_id": issue_id.root},
        ).fetchone()
    return counts or BreakerCounts(bounced=0, complained=0)


def count_accepted(connection: Connection, issue_id: IssueId) -> int:
    """Count the issue's accepted mails since its breaker was last reset."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM deliveries
                WHERE issue_id = %(issue_id)s
                  AND outcome = 'accepted'
                  AND recorded_at >= (SELECT breaker_since FROM issues WHERE id = %(issue_id)s)
                """,
                {"issue_id": issue_id.root},
            ).fetchone()
            or 0
        )

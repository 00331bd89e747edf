"""Counts what happened in some days, without reading a whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row, tuple_row

from broadsheet.domain.statistics import IssueStatistics, OptIn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.statistics import Period

MOST_ISSUES = 100
OPT_INS = 10_000  # sign-ups, from which the share of those who confirm is known well enough


def count_by_status(connection: Connection) -> dict[str, int]:
    """Count the subscribers by their status, from its index."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict(
            cursor.execute(
                """
                SELECT status::text, (
                    SELECT count(*) FROM subscribers WHERE subscribers.status = known.status
                )
                FROM unnest(enum_range(NULL::subscriber_status)) AS known (status)
                """
            ).fetchall()
        )


def count_changes(connection: Connection, period: Period) -> Sequence[tuple[date, str, int]]:
    """Count the changes of the consent log by day and kind, and those who were erased."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(
            """
            SELECT (at AT TIME ZONE 'UTC')::date, change::text, count(*)
            FROM consents
            WHERE at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
              AND at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
            GROUP BY 1, 2
            UNION ALL
            SELECT (departed_at AT TIME ZONE 'UTC')::date, 'erased', count(*)
            FROM tombstones
            WHERE because = 'erased'
              AND departed_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
              AND departed_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
            GROUP BY 1
            """,
            period._asdict(),
        ).fetchall()


def count_opt_in(connection: Connection, period: Period) -> OptIn:
    """Count who was mailed to confirm, of the newest sign-ups, and who of them confirmed since."""
    with connection.cursor(row_factory=class_row(OptIn)) as cursor:
        counted = cursor.execute(
            """
            WITH newest AS MATERIALIZED (
                SELECT request_id, subscriber_id, at
                FROM consents
                WHERE at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
                  AND at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
                  AND change = 'signed_up'
                ORDER BY at DESC
                LIMIT %(limit)s
            ), asked AS (
                SELECT newest.subscriber_id AS id, min(newest.at) AS at
                FROM newest
                JOIN sign_ups ON sign_ups.request_id = newest.request_id AND mail_granted
                GROUP BY 1
            )
            SELECT count(*) AS asked,
                   count(*) FILTER (WHERE subscribers.confirmed_at >= asked.at) AS confirmed
            FROM asked JOIN subscribers USING (id)
            """,
            period._asdict() | {"limit": OPT_INS},
        ).fetchone()
    return counted or OptIn(asked=0, confirmed=0)


def issues(connection: Connection, period: Period) -> Sequence[IssueStatistics]:
    """Return the newest issues whose audience was chosen in the period, as counted last."""
    with connection.cursor(row_factory=class_row(IssueStatistics)) as cursor:
        return cursor.execute(
            """
            SELECT issues.id, issues.title, issues.slug, issues.frozen_at, issues.audience,
                   counts.accepted, counts.delivered, counts.bounced, counts.complained,
                   counts.counted_at,
                   (
                       SELECT count(*) FROM consents
                       WHERE consents.issue_id = issues.id AND change = 'unsubscribed'
                   ) AS unsubscribed
            FROM issues LEFT JOIN issue_counts AS counts ON counts.issue_id = issues.id
            WHERE issues.frozen_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
              AND issues.frozen_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
            ORDER BY issues.frozen_at DESC, issues.id
            LIMIT %(limit)s
            """,
            period._asdict() | {"limit": MOST_ISSUES},
        ).fetchall()


def count_issue(connection: Connection, issue_id: UUID) -> None:
    """Count an issue's mails, and store the result."""
    # In the order of the table, as the books: see ledger/books.py.
    connection.execute("SET LOCAL enable_indexscan = off")
    connection.execute(
        """
        INSERT INTO issue_counts (issue_id, accepted, delivered, bounced, complained)
        SELECT %(id)s,
               count(*) FILTER (WHERE outcome = 'accepted'),
               count(*) FILTER (WHERE delivered_at IS NOT NULL),
               count(*) FILTER (WHERE bounced_at IS NOT NULL),
               count(*) FILTER (WHERE complained_at IS NOT NULL)
        FROM deliveries
        WHERE issue_id = %(id)s
        ON CONFLICT (issue_id) DO UPDATE
        SET accepted = excluded.accepted,
            delivered = excluded.delivered,
            bounced = excluded.bounced,
            complained = excluded.complained,
            counted_at = now()
        """,
        {"id": issue_id},
    )

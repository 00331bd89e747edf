"""Counts what happened in some days, without reading a whole table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row, scalar_row, tuple_row

from broadsheet.domain.statistics import IssueStatistics, OptIn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.statistics import Period

MOST_ISSUES = 100
_ISSUES = sql.SQL(
    """
    SELECT issues.id, issues.title, issues.slug, issues.frozen_at, issues.audience,
           counts.accepted, counts.delivered, counts.bounced, counts.complained,
           counts.counted_at,
           (
               SELECT count(*) FROM consents
               WHERE consents.issue_id = issues.id AND change = 'unsubscribed'
           ) AS unsubscribed
    FROM issues LEFT JOIN issue_counts AS counts ON counts.issue_id = issues.id
    """
)
_ISSUES_OF_PERIOD = _ISSUES + sql.SQL(
    """
    WHERE issues.frozen_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
      AND issues.frozen_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
    ORDER BY issues.frozen_at DESC, issues.id
    LIMIT %(limit)s
    """
)
_ISSUES_BY_ID = _ISSUES + sql.SQL(
    """
    WHERE issues.id = ANY (%(ids)s) AND issues.frozen_at IS NOT NULL
    ORDER BY issues.frozen_at DESC, issues.id
    """
)
SHORT_LOG = 100_000  # changes; so many take 50 ms to count
_LOOKS_APART = timedelta(minutes=10)  # longer than any transaction
OPT_INS = 2_500  # sign-ups; the share of those who confirm has a standard error of 0.01 at most


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
    """Count the changes of the consent log by day and kind, and those who were erased.

    The caller holds a snapshot.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        # As a parameter: so the planner knows how few rows are left.
        (counted,) = cursor.execute("SELECT counted FROM counted_days").fetchone() or (0,)
        return cursor.execute(
            """
            SELECT day, change, sum(number)::bigint
            FROM (
                SELECT day, change, number FROM day_counts
                WHERE day BETWEEN %(first)s AND %(last)s
                UNION ALL
                SELECT (at AT TIME ZONE 'UTC')::date, change::text, count(*)
                FROM consents
                WHERE id > %(counted)s
                  AND at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
                  AND at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
                GROUP BY 1, 2
                UNION ALL
                SELECT (departed_at AT TIME ZONE 'UTC')::date, 'erased', count(*)
                FROM tombstones
                WHERE because = 'erased'
                  AND departed_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
                  AND departed_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
                GROUP BY 1
            ) AS counted (day, change, number)
            GROUP BY 1, 2
            """,
            period._asdict() | {"counted": counted},
        ).fetchall()


def count_days(connection: Connection) -> None:
    """Count the log by days, up to what was its end at the last look.

    The caller holds a transaction. A short log is counted whenever somebody asks.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        counted = cursor.execute(
            """
            UPDATE counted_days
            SET counted = CASE WHEN seen > %(short)s THEN seen ELSE 0 END,
                seen = (SELECT coalesce(max(id), 0) FROM consents),
                looked_at = now()
            WHERE looked_at < now() - %(apart)s
            RETURNING counted
            """,
            {"short": SHORT_LOG, "apart": _LOOKS_APART},
        ).fetchone()
    if counted is None:
        return
    connection.execute("DELETE FROM day_counts")
    connection.execute(
        """
        INSERT INTO day_counts (day, change, number)
        SELECT (at AT TIME ZONE 'UTC')::date, change::text, count(*)
        FROM consents
        WHERE id <= %(counted)s
        GROUP BY 1, 2
        """,
        {"counted": counted},
    )


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
                -- With LIMIT, each is looked up in the index; a join would read a whole table.
                CROSS JOIN LATERAL (
                    SELECT FROM sign_ups
                    WHERE sign_ups.request_id = newest.request_id AND mail_granted
                    LIMIT 1
                ) AS mailed
                GROUP BY 1
            )
            SELECT count(*) AS asked,
                   count(*) FILTER (WHERE person.confirmed_at >= asked.at) AS confirmed
            FROM asked
            CROSS JOIN LATERAL (
                SELECT confirmed_at FROM subscribers WHERE subscribers.id = asked.id LIMIT 1
            ) AS person
            """,
            period._asdict() | {"limit": OPT_INS},
        ).fetchone()
    return counted or OptIn(asked=0, confirmed=0)


def issues(connection: Connection, period: Period) -> Sequence[IssueStatistics]:
    """Return the newest issues whose audience was chosen in the period, as counted last."""
    with connection.cursor(row_factory=class_row(IssueStatistics)) as cursor:
        return cursor.execute(
            _ISSUES_OF_PERIOD, period._asdict() | {"limit": MOST_ISSUES}
        ).fetchall()


def some_issues(connection: Connection, ids: Sequence[UUID]) -> Sequence[IssueStatistics]:
    """Return those of some issues whose audience was chosen, as counted last."""
    with connection.cursor(row_factory=class_row(IssueStatistics)) as cursor:
        return cursor.execute(_ISSUES_BY_ID, {"ids": list(ids)}).fetchall()

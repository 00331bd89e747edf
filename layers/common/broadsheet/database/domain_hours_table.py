"""Mail domains: how many mails were granted to their addresses in an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import args_row

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from broadsheet.database.connection import Connection

type DomainHour = tuple[str, datetime]


def _counted(
    domain: str, hour: datetime, granted: int, confirmed: int | None
) -> tuple[DomainHour, tuple[int, int | None]]:
    return (domain, hour), (granted, confirmed)


def read(
    connection: Connection, hours: Collection[DomainHour]
) -> dict[DomainHour, tuple[int, int | None]]:
    """Return the mails granted, and the readers that were counted, of some domains' hours."""
    with connection.cursor(row_factory=args_row(_counted)) as cursor:
        return dict(
            cursor.execute(
                """
                SELECT domain, hour, granted, confirmed
                FROM domain_hours
                JOIN unnest(%(domains)s::text[], %(hours)s::timestamptz[]) AS asked (domain, hour)
                    USING (domain, hour)
                """,
                _columns(hours),
            ).fetchall()
        )


def count_confirmed(connection: Connection, hours: Collection[DomainHour]) -> None:
    """Count the confirmed subscribers of some domains, for the rest of their hours.

    It reads all subscribers, and so is for a domain whose budget is used up, once an hour: at most
    once in as many sign-ups as the budget has mails. An index would cost each confirmation.
    """
    connection.execute(
        """
        WITH asked AS (
            SELECT * FROM unnest(%(domains)s::text[], %(hours)s::timestamptz[])
                AS asked (domain, hour)
        ), counted AS (
            SELECT split_part(email, '@', 2) AS domain, count(*) AS confirmed
            FROM subscribers
            WHERE status = 'confirmed' AND split_part(email, '@', 2) IN (SELECT domain FROM asked)
            GROUP BY 1
        )
        INSERT INTO domain_hours (domain, hour, granted, confirmed)
        SELECT domain, hour, 0, coalesce(counted.confirmed, 0)
        FROM asked LEFT JOIN counted USING (domain)
        ORDER BY domain, hour
        ON CONFLICT (domain, hour) DO UPDATE SET confirmed = excluded.confirmed
        """,
        _columns(hours),
    )


def add_granted(connection: Connection, granted: Mapping[DomainHour, int]) -> None:
    """Add mails that were granted."""
    connection.execute(
        """
        INSERT INTO domain_hours AS counted (domain, hour, granted)
        SELECT domain, hour, granted
        FROM unnest(%(domains)s::text[], %(hours)s::timestamptz[], %(granted)s::integer[])
            AS added (domain, hour, granted)
        ORDER BY domain, hour
        ON CONFLICT (domain, hour) DO UPDATE SET granted = counted.granted + excluded.granted
        """,
        _columns(granted) | {"granted": list(granted.values())},
    )


def _columns(hours: Collection[DomainHour]) -> dict[str, list[object]]:
    return {"domains": [domain for domain, _ in hours], "hours": [hour for _, hour in hours]}

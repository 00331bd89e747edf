"""The outbox: which webhooks something is due for, and when.

Whoever changes a reader or an issue asks for it, and needs nothing else of webhooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from broadsheet.database.connection import Connection


def find_due(connection: Connection) -> Sequence[UUID]:
    """Return the ids of webhooks to which something may be sent now, and nobody is sending."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT id FROM webhooks
            WHERE disabled_at IS NULL
              AND coalesce(greatest(claimed_until, quiet_until) <= now(), true)
              AND EXISTS (
                  SELECT FROM webhook_messages
                  WHERE webhook_id = webhooks.id AND status = 'open' AND next_at <= now()
                    AND (attempts = 0 OR coalesce(webhooks.retry_at <= now(), true))
              )
            ORDER BY claimed_until NULLS FIRST, id
            """
        ).fetchall()


def next_due(connection: Connection) -> datetime | None:
    """Return when something has to be sent again; None when everything has ended.

    A claim counts until its end: whoever made it may have died.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        due: datetime | None = cursor.execute(
            """
            SELECT min(greatest(message.next_at, claimed_until, quiet_until, retry_at))
            FROM webhooks
            CROSS JOIN LATERAL (
                SELECT next_at FROM webhook_messages
                WHERE webhook_id = webhooks.id AND status = 'open'
                ORDER BY next_at
                LIMIT 1
            ) AS message
            WHERE disabled_at IS NULL
            """
        ).fetchone()
    return due


def delete_older(connection: Connection, age: timedelta) -> None:
    """Delete messages that ended, with their tries, once they are older."""
    connection.execute(
        """
        DELETE FROM webhook_messages WHERE status <> 'open' AND occurred_at < now() - %(age)s
        """,
        {"age": age},
    )

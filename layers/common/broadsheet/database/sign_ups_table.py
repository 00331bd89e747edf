"""Sign-ups: recognises a redelivered request, and counts what the budgets allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import SubscribeRequest
    from broadsheet.domain.subscribers import SubscriberId


def has(connection: Connection, request_id: UUID) -> bool:
    """Return whether this request has been applied before."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                "SELECT EXISTS (SELECT FROM sign_ups WHERE request_id = %(request_id)s)",
                {"request_id": request_id},
            ).fetchone()
        )


def insert(
    connection: Connection, request: SubscribeRequest, subscriber_id: SubscriberId, *, granted: bool
) -> None:
    """Insert an applied sign-up, and whether it was granted a mail."""
    connection.execute(
        """
        INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
        VALUES (%(request_id)s, %(subscriber_id)s, %(network)s, %(received_at)s, %(granted)s)
        """,
        {
            "request_id": request.id,
            "subscriber_id": subscriber_id.root,
            "network": request.origin.source_address.network,
            "received_at": request.received_at,
            "granted": granted,
        },
    )


def has_mail(connection: Connection, request_id: UUID) -> bool:
    """Return whether a sign-up was granted a mail."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                "SELECT mail_granted FROM sign_ups WHERE request_id = %(request_id)s",
                {"request_id": request_id},
            ).fetchone()
        )


def granted_to_subscriber(
    connection: Connection,
    subscriber_id: SubscriberId,
    request: SubscribeRequest,
    window: timedelta,
) -> int:
    """Count the mails granted to an address in the window up to this request."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM sign_ups
                WHERE mail_granted
                  AND subscriber_id = %(subscriber_id)s
                  AND received_at > %(received_at)s - %(window)s
                """,
                {
                    "subscriber_id": subscriber_id.root,
                    "received_at": request.received_at,
                    "window": window,
                },
            ).fetchone()
            or 0
        )


def granted_to_source(connection: Connection, request: SubscribeRequest, window: timedelta) -> int:
    """Count the mails granted to a source in the window up to this request.

    Until the transaction ends, no other transaction counts for this source: two requests can't
    both spend the last mail of a budget.
    """
    network = request.origin.source_address.network
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%(network)s, 0))", {"network": network}
        )
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM sign_ups
                WHERE mail_granted
                  AND source_network = %(network)s
                  AND received_at > %(received_at)s - %(window)s
                """,
                {"network": network, "received_at": request.received_at, "window": window},
            ).fetchone()
            or 0
        )

"""The mails that readers asked for on the page that manages their subscription.

They are rows of ``sign_ups``, since the budgets of confirmation mails count them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import SubscriberRequest
    from broadsheet.domain.subscribers import AskedMail, SubscriberId


def insert(  # noqa: PLR0913 - the row
    connection: Connection,
    request: SubscriberRequest,
    subscriber_id: SubscriberId,
    kind: AskedMail,
    *,
    source: str,
    granted: bool,
) -> None:
    """Insert an applied request; the mail that it was granted is owed until it is sent.

    ``source``: a digest of where the request came from.
    """
    connection.execute(
        """
        INSERT INTO sign_ups
            (request_id, subscriber_id, source_network, received_at, mail_granted, kind, mail_owed)
        VALUES
            (%(request_id)s, %(subscriber_id)s, %(network)s, %(received_at)s, %(granted)s, %(kind)s,
             %(granted)s)
        """,
        {
            "request_id": request.id,
            "subscriber_id": subscriber_id.root,
            "network": source,
            "received_at": request.received_at,
            "granted": granted,
            "kind": kind,
        },
    )


def granted_to_subscriber(
    connection: Connection, subscriber_id: SubscriberId, kinds: Sequence[str], since: datetime
) -> int:
    """Count the mails of some kinds that were granted to a subscriber after a time."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM sign_ups
                WHERE mail_granted AND subscriber_id = %(id)s AND received_at > %(since)s
                  AND kind = ANY (%(kinds)s)
                """,
                {"id": subscriber_id.root, "since": since, "kinds": list(kinds)},
            ).fetchone()
            or 0
        )


def is_owed(connection: Connection, request_id: UUID) -> bool:
    """Return whether the mail of a request is still to be sent."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                "SELECT mail_owed FROM sign_ups WHERE request_id = %(request_id)s",
                {"request_id": request_id},
            ).fetchone()
        )


def clear(connection: Connection, request_id: UUID) -> None:
    """Note that the mail of a request was sent."""
    connection.execute(
        "UPDATE sign_ups SET mail_owed = false WHERE request_id = %(request_id)s",
        {"request_id": request_id},
    )


def insert_to_address(
    connection: Connection, request: SubscriberRequest, subscriber_id: SubscriberId, digest: bytes
) -> None:
    """Count a granted mail for the new address that it goes to."""
    connection.execute(
        """
        INSERT INTO new_address_mails (request_id, subscriber_id, address_digest, received_at)
        VALUES (%(request_id)s, %(subscriber_id)s, %(digest)s, %(received_at)s)
        """,
        {
            "request_id": request.id,
            "subscriber_id": subscriber_id.root,
            "digest": digest,
            "received_at": request.received_at,
        },
    )


def granted_to_address(
    connection: Connection, digests: Sequence[bytes], before: datetime, window: timedelta
) -> int:
    """Count the mails granted to a new address in the window up to a request.

    Until the transaction ends, no other transaction counts for this address.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%(digest)s, 0))",
            {"digest": digests[0].hex()},
        )
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM new_address_mails
                WHERE address_digest = ANY (%(digests)s)
                  AND received_at > %(before)s - %(window)s
                """,
                {"digests": list(digests), "before": before, "window": window},
            ).fetchone()
            or 0
        )

"""Webhooks, their messages, and the tries to deliver them.

The rows of messages are written by triggers (``0007_people.sql``), with the change they are about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import class_row, scalar_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.webhooks import (
    TEST_EVENT,
    LoggedTry,
    Try,
    Webhook,
    WebhookId,
    WebhookMessage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.webhooks import ReplayRequest, WebhookRequest

_SELECT = sql.SQL("SELECT {columns} FROM webhooks ").format(columns=columns_of(Webhook))
_LIST = _SELECT + sql.SQL("ORDER BY created_at, id")
# Weaker than FOR UPDATE, for which the outbox would wait: its rows refer to the webhook.
_LOCK = _SELECT + sql.SQL("WHERE id = %(id)s FOR NO KEY UPDATE")


def insert(
    connection: Connection,
    webhook_id: WebhookId,
    wanted: WebhookRequest,
    author: AuthorName,
    key_id: str,
) -> None:
    """Store a new webhook."""
    connection.execute(
        """
        INSERT INTO webhooks (id, url, events, created_by, key_id)
        VALUES (%(id)s, %(url)s, %(events)s, %(author)s, %(key_id)s)
        """,
        {
            "id": webhook_id.root,
            "url": wanted.url,
            "events": sorted(wanted.events),
            "author": str(author),
            "key_id": key_id,
        },
    )


def lock_all(connection: Connection) -> None:
    """Wait for whoever adds a webhook, and let nobody add one until the transaction ends."""
    connection.execute("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE")


def count(connection: Connection) -> int:
    """Return how many webhooks there are."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute("SELECT count(*) FROM webhooks").fetchone() or 0)


def find_all(connection: Connection) -> Sequence[Webhook]:
    """Return all webhooks, the oldest first."""
    with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        return cursor.execute(_LIST).fetchall()


def lock(connection: Connection, webhook_id: WebhookId) -> Webhook | None:
    """Return a webhook, locked until the transaction ends."""
    with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        return cursor.execute(_LOCK, {"id": webhook_id.root}).fetchone()


def delete(connection: Connection, webhook_id: WebhookId) -> bool:
    """Delete a webhook with all its messages; return whether there was one."""
    deleted = connection.execute("DELETE FROM webhooks WHERE id = %(id)s", {"id": webhook_id.root})
    return deleted.rowcount == 1


def find_messages(
    connection: Connection, webhook_id: WebhookId, limit: int
) -> Sequence[WebhookMessage]:
    """Return messages that are due, those first that have waited longest."""
    with connection.cursor(row_factory=class_row(WebhookMessage)) as cursor:
        return cursor.execute(
            """
            SELECT message.id, message.type, message.occurred_at, message.subscriber_id,
                   message.issue, message.attempts, subscribers.email
            FROM webhook_messages AS message
            JOIN webhooks ON webhooks.id = message.webhook_id
            LEFT JOIN subscribers ON subscribers.id = message.subscriber_id
            WHERE webhook_id = %(id)s AND message.status = 'open' AND next_at <= now()
              AND (attempts = 0 OR coalesce(retry_at <= now(), true))
            ORDER BY next_at, message.id
            LIMIT %(limit)s
            """,
            {"id": webhook_id.root, "limit": limit},
        ).fetchall()


def hasten(connection: Connection, webhook_id: WebhookId) -> None:
    """Make all messages due that have not ended, since the webhook works again."""
    connection.execute(
        """
        UPDATE webhook_messages SET next_at = now()
        WHERE webhook_id = %(id)s AND status = 'open' AND next_at > now()
        """,
        {"id": webhook_id.root},
    )


def claim(connection: Connection, webhook_id: WebhookId, until: datetime) -> None:
    """Keep other invocations from sending to a webhook."""
    connection.execute(
        "UPDATE webhooks SET claimed_until = %(until)s WHERE id = %(id)s",
        {"id": webhook_id.root, "until": until},
    )


def log_tries(connection: Connection, webhook_id: WebhookId, tries: Sequence[Try]) -> None:
    """Store how calls ended."""
    connection.execute(
        """
        INSERT INTO webhook_tries (webhook_id, message_id, at, status, error, milliseconds)
        SELECT %(id)s, tried.message_id, tried.at, tried.status, tried.error, tried.milliseconds
        FROM unnest(
            %(ids)s::uuid[], %(times)s::timestamptz[], %(statuses)s::integer[], %(errors)s::text[],
            %(milliseconds)s::integer[]
        ) AS tried (message_id, at, status, error, milliseconds)
        """,
        {
            "id": webhook_id.root,
            "ids": [each.message_id for each in tries],
            "times": [each.at for each in tries],
            "statuses": [each.status for each in tries],
            "errors": [each.error for each in tries],
            "milliseconds": [each.milliseconds for each in tries],
        },
    )


def set_delivered(connection: Connection, webhook_id: WebhookId, ids: Sequence[UUID]) -> None:
    """Mark messages as delivered."""
    connection.execute(
        """
        UPDATE webhook_messages SET status = 'delivered'
        WHERE webhook_id = %(id)s AND id = ANY (%(ids)s)
        """,
        {"id": webhook_id.root, "ids": ids},
    )


def set_failed(
    connection: Connection, webhook_id: WebhookId, message_id: UUID, next_at: datetime | None
) -> None:
    """Count a failed attempt; the message is tried again at ``next_at``, or never without one."""
    connection.execute(
        """
        UPDATE webhook_messages
        SET attempts = attempts + 1,
            next_at = coalesce(%(next_at)s, next_at),
            status = CASE WHEN %(next_at)s::timestamptz IS NULL THEN 'failed' ELSE 'open' END
        WHERE webhook_id = %(id)s AND id = %(message)s
        """,
        {"id": webhook_id.root, "message": message_id, "next_at": next_at},
    )


def set_working(connection: Connection, webhook_id: WebhookId, quiet_until: datetime) -> None:
    """Store that a webhook takes messages, and end the claim."""
    connection.execute(
        """
        UPDATE webhooks
        SET failing_since = NULL, failures = 0, retry_at = NULL, quiet_until = %(quiet_until)s,
            claimed_until = NULL
        WHERE id = %(id)s
        """,
        {"id": webhook_id.root, "quiet_until": quiet_until},
    )


def set_failing(  # noqa: PLR0913 - a row's columns
    connection: Connection,
    webhook_id: WebhookId,
    *,
    failing_since: datetime,
    failures: int,
    retry_at: datetime | None,
    quiet_until: datetime,
) -> None:
    """Store that a webhook took nothing, and end the claim."""
    connection.execute(
        """
        UPDATE webhooks
        SET failing_since = %(failing_since)s, failures = %(failures)s, retry_at = %(retry_at)s,
            quiet_until = %(quiet_until)s, claimed_until = NULL
        WHERE id = %(id)s
        """,
        {
            "id": webhook_id.root,
            "failing_since": failing_since,
            "failures": failures,
            "retry_at": retry_at,
            "quiet_until": quiet_until,
        },
    )


def lock_clock(connection: Connection) -> None:
    """Let nobody else set the clock until the transaction ends: the earliest time has to stay."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('the clock of webhooks'))")


def disable(connection: Connection, webhook_id: WebhookId, because: str) -> None:
    """Disable a webhook; what it has not got has failed, and can be replayed."""
    connection.execute(
        """
        UPDATE webhooks
        SET disabled_at = now(), disabled_because = %(because)s, claimed_until = NULL
        WHERE id = %(id)s AND disabled_at IS NULL
        """,
        {"id": webhook_id.root, "because": because},
    )
    connection.execute(
        """
        UPDATE webhook_messages SET status = 'failed'
        WHERE webhook_id = %(id)s AND status = 'open'
        """,
        {"id": webhook_id.root},
    )


def enable(connection: Connection, webhook_id: WebhookId) -> None:
    """Enable a webhook, as if it had never failed."""
    connection.execute(
        """
        UPDATE webhooks
        SET disabled_at = NULL, disabled_because = NULL, failing_since = NULL, failures = 0,
            retry_at = NULL, quiet_until = NULL
        WHERE id = %(id)s
        """,
        {"id": webhook_id.root},
    )


def rotate(connection: Connection, webhook_id: WebhookId, key_id: str) -> None:
    """Begin the next generation of a webhook's secret."""
    connection.execute(
        """
        UPDATE webhooks
        SET generation = generation + 1, rotated_at = now(), key_id = %(key_id)s
        WHERE id = %(id)s
        """,
        {"id": webhook_id.root, "key_id": key_id},
    )


def insert_test(connection: Connection, webhook_id: WebhookId) -> UUID:
    """Insert a message that says nothing, and return its id."""
    message_id = uuid4()
    connection.execute(
        """
        INSERT INTO webhook_messages (webhook_id, id, type) VALUES (%(id)s, %(message)s, %(type)s)
        """,
        {"id": webhook_id.root, "message": message_id, "type": TEST_EVENT},
    )
    return message_id


def reopen(connection: Connection, webhook_id: WebhookId, wanted: ReplayRequest) -> int:
    """Make messages due again that have ended; return how many."""
    return connection.execute(
        """
        UPDATE webhook_messages SET status = 'open', attempts = 0, next_at = now()
        WHERE webhook_id = %(id)s
          AND status <> 'open'
          AND (status = 'failed' OR NOT %(only_failed)s)
          AND (id = %(message)s OR occurred_at >= %(since)s)
        """,
        {
            "id": webhook_id.root,
            "message": wanted.message,
            "since": wanted.since,
            "only_failed": wanted.only_failed,
        },
    ).rowcount


def newest_tries(connection: Connection, webhook_id: WebhookId, limit: int) -> Sequence[LoggedTry]:
    """Return the newest tries, the newest first."""
    with connection.cursor(row_factory=class_row(LoggedTry)) as cursor:
        return cursor.execute(
            """
            SELECT 'msg_' || try.message_id AS message, message.type, try.at, try.status,
                   try.error, try.milliseconds
            FROM webhook_tries AS try
            JOIN webhook_messages AS message
              ON message.webhook_id = try.webhook_id AND message.id = try.message_id
            WHERE try.webhook_id = %(id)s
            ORDER BY try.at DESC, try.message_id
            LIMIT %(limit)s
            """,
            {"id": webhook_id.root, "limit": limit},
        ).fetchall()


def count_by_status(connection: Connection, webhook_id: WebhookId) -> dict[str, int]:
    """Return how many messages of a webhook have which status."""
    counted = connection.execute(
        """
        SELECT status, count(*) FROM webhook_messages WHERE webhook_id = %(id)s GROUP BY status
        """,
        {"id": webhook_id.root},
    ).fetchall()
    found = {str(status): int(str(number)) for status, number in counted}
    return {status: found.get(status, 0) for status in ("open", "delivered", "failed")}

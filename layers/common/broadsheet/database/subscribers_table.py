"""Subscribers: each statement merges a time into a row, and is harmless when repeated or late."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, LiteralString

from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import (
    EmailAddress,
    SubscriberId,
    SubscriberName,
    SubscriberStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import Language


COUNTED_EXACTLY = 10_000  # readers; a few milliseconds of an index


class DueMail(StrEnum):
    """A mail that a subscriber is owed."""

    CONFIRMATION = "confirmation"
    ALREADY_SUBSCRIBED = "already_subscribed"


class Subscriber(BaseModel):
    """A row of ``subscribers``, as far as anybody reads it."""

    model_config = ConfigDict(frozen=True)

    id: SubscriberId
    email: EmailAddress
    status: SubscriberStatus
    confirmation_issued_at: datetime | None
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    due_mail: DueMail | None
    due_mail_since: datetime | None


def insert_pending(
    connection: Connection,
    email: EmailAddress,
    name: SubscriberName,
    language: Language,
    signed_up_at: datetime,
) -> None:
    """Add a pending subscriber, unless the address is known: then nothing changes."""
    connection.execute(
        """
        INSERT INTO subscribers (id, email, name, language, signed_up_at)
        VALUES (%(id)s, %(email)s, %(name)s, %(language)s, %(signed_up_at)s)
        ON CONFLICT (email) DO NOTHING
        """,
        {
            "id": SubscriberId.new().root,
            "email": str(email),
            "name": str(name),
            "language": language,
            "signed_up_at": signed_up_at,
        },
    )


def lock_by_email(connection: Connection, email: EmailAddress) -> Subscriber:
    """Return the subscriber with this address, locked until the transaction ends."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        subscriber = cursor.execute(
            """
            SELECT id, email, status, confirmation_issued_at, confirmed_at, unsubscribed_at,
                   due_mail, due_mail_since
            FROM subscribers
            WHERE email = %(email)s
            FOR UPDATE
            """,
            {"email": str(email)},
        ).fetchone()
    if subscriber is None:
        raise LookupError("no subscriber has this address")
    return subscriber


def lock_by_id(connection: Connection, subscriber_id: SubscriberId) -> Subscriber | None:
    """Return this subscriber, locked until the transaction ends."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        return cursor.execute(
            """
            SELECT id, email, status, confirmation_issued_at, confirmed_at, unsubscribed_at,
                   due_mail, due_mail_since
            FROM subscribers
            WHERE id = %(id)s
            FOR UPDATE
            """,
            {"id": subscriber_id.root},
        ).fetchone()


def owe_mail(
    connection: Connection, subscriber_id: SubscriberId, mail: DueMail, since: datetime
) -> None:
    """Mark a mail as due: committed before the mail goes out."""
    connection.execute(
        """
        UPDATE subscribers
        SET due_mail = %(mail)s, due_mail_since = %(since)s
        WHERE id = %(id)s
        """,
        {"id": subscriber_id.root, "mail": mail.value, "since": since},
    )


def clear_due_mail(connection: Connection, subscriber: Subscriber) -> None:
    """Clear the mark after the mail went out, unless a newer one has been set meanwhile."""
    connection.execute(
        """
        UPDATE subscribers
        SET due_mail = NULL, due_mail_since = NULL
        WHERE id = %(id)s AND due_mail = %(mail)s AND due_mail_since = %(since)s
        """,
        {
            "id": subscriber.id.root,
            "mail": subscriber.due_mail,
            "since": subscriber.due_mail_since,
        },
    )


def merge_confirmation(
    connection: Connection, subscriber_id: SubscriberId, issued_at: datetime, clicked_at: datetime
) -> SubscriberStatus:
    """Merge a confirmation's two times and return the status that follows from them.

    A confirmation mail that was due before the click is due no more.
    """
    return _status_after(
        connection,
        """
        UPDATE subscribers
        SET confirmation_issued_at = greatest(confirmation_issued_at, %(issued_at)s),
            confirmed_at = greatest(confirmed_at, %(clicked_at)s),
            due_mail = CASE WHEN due_mail_since > %(clicked_at)s THEN due_mail END,
            due_mail_since = CASE WHEN due_mail_since > %(clicked_at)s THEN due_mail_since END
        WHERE id = %(id)s
        RETURNING status
        """,
        {"id": subscriber_id.root, "issued_at": issued_at, "clicked_at": clicked_at},
    )


def rename(
    connection: Connection, subscriber_id: SubscriberId, name: SubscriberName, language: Language
) -> None:
    """Take the name and language that the subscriber confirmed."""
    connection.execute(
        "UPDATE subscribers SET name = %(name)s, language = %(language)s WHERE id = %(id)s",
        {"id": subscriber_id.root, "name": str(name), "language": language},
    )


def merge_unsubscribe(
    connection: Connection, subscriber_id: SubscriberId, at: datetime
) -> SubscriberStatus:
    """Merge an unsubscribe's time and return the status that follows from it.

    A mail that was due before it is due no more.
    """
    return _status_after(
        connection,
        """
        UPDATE subscribers
        SET unsubscribed_at = greatest(unsubscribed_at, %(at)s),
            due_mail = CASE WHEN due_mail_since > %(at)s THEN due_mail END,
            due_mail_since = CASE WHEN due_mail_since > %(at)s THEN due_mail_since END
        WHERE id = %(id)s
        RETURNING status
        """,
        {"id": subscriber_id.root, "at": at},
    )


def count_confirmed(connection: Connection) -> int:
    """Count the confirmed subscribers, in a time that doesn't grow with their number.

    Up to ``COUNTED_EXACTLY`` the count is exact; above it is PostgreSQL's estimate, in thousands.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        counted = int(
            cursor.execute(
                """
                SELECT count(*)
                FROM (
                    SELECT FROM subscribers
                    WHERE status = 'confirmed'
                    ORDER BY id -- by the index, not past all who never confirmed
                    LIMIT %(limit)s
                ) AS counted
                """,
                {"limit": COUNTED_EXACTLY + 1},
            ).fetchone()
            or 0
        )
        if counted <= COUNTED_EXACTLY:
            return counted
        ((plan,),) = cursor.execute(
            "EXPLAIN (FORMAT JSON) SELECT FROM subscribers WHERE status = 'confirmed'"
        ).fetchall()
    return max(round(int(plan["Plan"]["Plan Rows"]), -3), COUNTED_EXACTLY)


class Harm(BaseModel):
    """A mail that bounced for good, by when it was sent, or was complained of."""

    model_config = ConfigDict(frozen=True)

    subscriber_id: SubscriberId
    message_id: str
    issue_id: IssueId | None
    bounced_at: datetime | None
    complained_at: datetime | None


def merge_harm(connection: Connection, harms: Sequence[Harm]) -> dict[str, int]:
    """Merge bounces and complaints; return how many subscribers' states changed, by metric.

    Every change of state goes to the consent log. Rows are locked in one order.
    """
    if not harms:
        return {}
    ordered = sorted(harms, key=lambda harm: harm.subscriber_id.root)
    with connection.cursor(row_factory=class_row(_Changed)) as cursor:
        changed = cursor.execute(
            """
            WITH harm AS (
                SELECT subscriber_id, max(bounced_at) AS bounced_at,
                       max(complained_at) AS complained_at,
                       min(message_id) AS message_id, min(issue_id::text)::uuid AS issue_id
                FROM unnest(
                    %(subscriber_ids)s::uuid[], %(bounced)s::timestamptz[],
                    %(complained)s::timestamptz[], %(message_ids)s::text[], %(issue_ids)s::uuid[]
                ) AS harm (subscriber_id, bounced_at, complained_at, message_id, issue_id)
                GROUP BY subscriber_id
            ), before AS (
                SELECT id, status FROM subscribers
                WHERE id IN (SELECT subscriber_id FROM harm)
                ORDER BY id
                FOR UPDATE
            ), after AS (
                UPDATE subscribers AS subscriber
                SET bounced_at = greatest(subscriber.bounced_at, harm.bounced_at),
                    complained_at = greatest(subscriber.complained_at, harm.complained_at)
                FROM harm, before
                WHERE subscriber.id = harm.subscriber_id AND before.id = subscriber.id
                RETURNING subscriber.id, subscriber.status, harm.issue_id, harm.message_id
            ), logged AS (
                INSERT INTO consents (request_id, subscriber_id, change, at, issue_id)
                SELECT md5(after.message_id || after.status)::uuid, after.id,
                       after.status::text::consent_change, now(), after.issue_id
                FROM after JOIN before ON before.id = after.id
                WHERE after.status <> before.status
                  AND after.status IN ('bounced', 'complained')
                ON CONFLICT DO NOTHING
            )
            SELECT after.status, count(*) AS number
            FROM after JOIN before ON before.id = after.id
            WHERE after.status <> before.status
            GROUP BY after.status
            """,
            {
                "subscriber_ids": [harm.subscriber_id.root for harm in ordered],
                "bounced": [harm.bounced_at for harm in ordered],
                "complained": [harm.complained_at for harm in ordered],
                "message_ids": [harm.message_id for harm in ordered],
                "issue_ids": [harm.issue_id.root if harm.issue_id else None for harm in ordered],
            },
        ).fetchall()
    return {f"Subscribers{row.status.capitalize()}": row.number for row in changed}


class _Changed(BaseModel):
    status: SubscriberStatus
    number: int


def _status_after(
    connection: Connection, update: LiteralString, parameters: dict[str, object]
) -> SubscriberStatus:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return SubscriberStatus(str(cursor.execute(update, parameters).fetchone()))

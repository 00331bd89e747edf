"""Subscribers: each statement merges a time into a row, and is harmless when repeated or late."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, LiteralString

from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.subscribers import (
    EmailAddress,
    SubscriberId,
    SubscriberName,
    SubscriberStatus,
)

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import Language


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


def _status_after(
    connection: Connection, update: LiteralString, parameters: dict[str, object]
) -> SubscriberStatus:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return SubscriberStatus(str(cursor.execute(update, parameters).fetchone()))

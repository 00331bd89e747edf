"""Sign-ups that were kept without a mail, until the operator releases them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import args_row, scalar_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ReleaseRequest
    from broadsheet.domain.strict_mode import Withheld


class Suspicious(NamedTuple):
    """A sign-up that got no mail, and why."""

    request_id: UUID
    subscriber_id: UUID
    reason: Withheld
    received_at: datetime


def insert(connection: Connection, kept: Sequence[Suspicious]) -> None:
    """Keep sign-ups."""
    connection.execute(
        """
        INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)
        SELECT *
        FROM unnest(
            %(ids)s::uuid[], %(subscribers)s::uuid[], %(reasons)s::text[], %(times)s::timestamptz[]
        )
        ON CONFLICT (request_id) DO NOTHING
        """,
        {
            "ids": [each.request_id for each in kept],
            "subscribers": [each.subscriber_id for each in kept],
            "reasons": [each.reason.value for each in kept],
            "times": [each.received_at for each in kept],
        },
    )


def withhold(connection: Connection, kept: Sequence[Suspicious]) -> None:
    """Keep sign-ups that had been granted a mail, which nobody is owed then."""
    insert(connection, kept)
    connection.execute(
        """
        UPDATE sign_ups SET mail_granted = false, mail_at = NULL, mail_owed = false
        WHERE request_id = ANY (%(ids)s)
        """,
        {"ids": [each.request_id for each in kept]},
    )


def forget(connection: Connection, subscribers: Sequence[UUID]) -> None:
    """Forget those of subscribers who are mailed now because of another sign-up."""
    connection.execute(
        "DELETE FROM suspicious_sign_ups WHERE subscriber_id = ANY (%(subscribers)s)",
        {"subscribers": list(subscribers)},
    )


def counts(connection: Connection) -> dict[str, int]:
    """Count those that are kept, by their reasons."""
    with connection.cursor(row_factory=args_row(_count)) as cursor:
        return dict(
            cursor.execute(
                """
                SELECT reason, count(*) FROM suspicious_sign_ups
                WHERE release_id IS NULL
                GROUP BY reason
                ORDER BY reason
                """
            ).fetchall()
        )


def _count(reason: str, number: int) -> tuple[str, int]:
    return reason, number


class Released(NamedTuple):
    """A sign-up whose mail is owed from now on, as it came; 0.0.0.0 is a source that isn't kept."""

    id: UUID
    email: str
    name: str | None
    language: str
    received_at: datetime
    source_address: str
    user_agent: str


def release(connection: Connection, request: ReleaseRequest, at_most: int) -> list[Released]:
    """Owe mails to sign-ups that were kept; return those that the request released, now or before.

    Those of readers who have confirmed or left meanwhile, or complained, are not mailed.
    """
    connection.execute(
        """
        WITH chosen AS (
            SELECT DISTINCT ON (subscriber_id) request_id, subscriber_id, received_at
            FROM (
                SELECT * FROM suspicious_sign_ups
                WHERE release_id IS NULL
                  AND reason = ANY (%(reasons)s)
                  AND received_at >= coalesce(%(since)s, '-infinity'::timestamptz)
                  AND received_at < coalesce(%(until)s, 'infinity'::timestamptz)
                ORDER BY received_at
                LIMIT %(at_most)s
            ) AS oldest
            ORDER BY subscriber_id, received_at DESC
        ), locked AS (
            SELECT id, status FROM subscribers
            WHERE id IN (SELECT subscriber_id FROM chosen)
            ORDER BY id
            FOR UPDATE
        ), owed AS (
            UPDATE subscribers
            SET due_mail = 'confirmation', due_mail_since = chosen.received_at
            FROM chosen JOIN locked ON locked.id = chosen.subscriber_id
            WHERE subscribers.id = locked.id AND locked.status NOT IN ('confirmed', 'complained')
              AND coalesce(
                  greatest(subscribers.confirmed_at, subscribers.unsubscribed_at)
                      < chosen.received_at,
                  true
              )
            RETURNING chosen.request_id
        ), granted AS (
            UPDATE sign_ups
            SET mail_granted = true, is_proven = true, mail_at = NULL, mail_owed = true
            WHERE request_id IN (SELECT request_id FROM owed)
        )
        UPDATE suspicious_sign_ups SET release_id = %(id)s
        WHERE subscriber_id IN (SELECT id FROM locked) AND release_id IS NULL
        """,
        {
            "id": request.id,
            "reasons": [reason.value for reason in request.reasons],
            "since": request.since,
            "until": request.until,
            "at_most": at_most,
        },
    )
    with connection.cursor(row_factory=args_row(Released)) as cursor:
        return cursor.execute(
            """
            SELECT kept.request_id, email, name, language, kept.received_at,
                   coalesce(host(source_address), '0.0.0.0'), coalesce(user_agent, '')
            FROM suspicious_sign_ups AS kept
            JOIN sign_ups USING (request_id)
            JOIN subscribers ON subscribers.id = kept.subscriber_id
            JOIN consents ON consents.request_id = kept.request_id AND change = 'signed_up'
            WHERE release_id = %(id)s AND mail_granted AND due_mail IS NOT NULL
            """,
            {"id": request.id},
        ).fetchall()


def is_any_left(connection: Connection, request: ReleaseRequest) -> bool:
    """Return whether sign-ups that a request describes are still kept."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM suspicious_sign_ups
                    WHERE release_id IS NULL
                      AND reason = ANY (%(reasons)s)
                      AND received_at >= coalesce(%(since)s, '-infinity'::timestamptz)
                      AND received_at < coalesce(%(until)s, 'infinity'::timestamptz)
                )
                """,
                {
                    "reasons": [reason.value for reason in request.reasons],
                    "since": request.since,
                    "until": request.until,
                },
            ).fetchone()
        )

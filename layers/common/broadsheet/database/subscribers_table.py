"""Subscribers: each statement merges a time into a row, harmless when repeated or late."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from psycopg import sql
from psycopg.rows import args_row, class_row, scalar_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.subscribers import (
    DueWelcome,
    Subscriber,
    SubscriberId,
    SubscriberStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import SignUp
    from broadsheet.domain.ses_events import BounceOrComplaint
    from broadsheet.domain.subscribers import DueMail, EmailAddress, SubscriberName

COUNTED_EXACTLY = 10_000  # readers; a few milliseconds of an index

_SELECT = sql.SQL("SELECT {columns} FROM subscribers ").format(columns=columns_of(Subscriber))
_LOCK_BY_EMAIL = _SELECT + sql.SQL("WHERE email = %(email)s FOR UPDATE")
_LOCK_BY_ID = _SELECT + sql.SQL("WHERE id = %(id)s FOR UPDATE")


def insert_pending(connection: Connection, sign_up: SignUp, signed_up_at: datetime) -> None:
    """Insert a pending subscriber; change nothing when the address is known."""
    connection.execute(
        """
        INSERT INTO subscribers (id, email, name, language, signed_up_at)
        VALUES (%(id)s, %(email)s, %(name)s, %(language)s, %(signed_up_at)s)
        ON CONFLICT (email) DO NOTHING
        """,
        {
            "id": SubscriberId.new().root,
            "email": str(sign_up.email),
            "name": _text(sign_up.name),
            "language": sign_up.language,
            "signed_up_at": signed_up_at,
        },
    )


def find_suppressed(
    connection: Connection, emails: Sequence[EmailAddress]
) -> frozenset[EmailAddress]:
    """Return those of some addresses that bounced for good, or whose owners complained."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(
            """
            SELECT email FROM subscribers
            WHERE email = ANY (%(emails)s) AND status IN ('bounced', 'complained')
            """,
            {"emails": [str(email) for email in emails]},
        ).fetchall()
    return frozenset(email for email in emails if str(email) in found)


def lock_by_email(connection: Connection, email: EmailAddress) -> Subscriber:
    """Return the subscriber with this address, locked until the transaction ends."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        subscriber = cursor.execute(
            _LOCK_BY_EMAIL,
            {"email": str(email)},
        ).fetchone()
    if subscriber is None:
        raise LookupError("no subscriber has this address")
    return subscriber


def lock_by_id(connection: Connection, subscriber_id: SubscriberId) -> Subscriber | None:
    """Return this subscriber, locked until the transaction ends."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        return cursor.execute(
            _LOCK_BY_ID,
            {"id": subscriber_id.root},
        ).fetchone()


def owe_mail(
    connection: Connection, subscriber_id: SubscriberId, mail: DueMail, since: datetime
) -> None:
    """Mark a mail as due, to be committed before the mail is sent."""
    connection.execute(
        """
        UPDATE subscribers
        SET due_mail = %(mail)s, due_mail_since = %(since)s
        WHERE id = %(id)s
        """,
        {"id": subscriber_id.root, "mail": mail.value, "since": since},
    )


def clear_due_mail(connection: Connection, subscriber: Subscriber) -> None:
    """Clear the mark once the mail was sent, unless a newer mark has replaced it."""
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


def owe_welcome(connection: Connection, subscriber_id: SubscriberId) -> bool:
    """Mark the welcome mail as due, if an author has written one; return whether it is."""
    owed = connection.execute(
        """
        UPDATE subscribers SET due_welcome = 'welcome'
        WHERE id = %(id)s AND EXISTS (SELECT FROM welcome_mail)
        """,
        {"id": subscriber_id.root},
    )
    return owed.rowcount == 1


def lock_due_welcome(connection: Connection, subscriber_id: SubscriberId) -> DueWelcome | None:
    """Return what is due to a subscriber, who is locked until the transaction ends."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        due = cursor.execute(
            "SELECT due_welcome FROM subscribers WHERE id = %(id)s FOR NO KEY UPDATE",
            {"id": subscriber_id.root},
        ).fetchone()
    return DueWelcome(due) if due else None


def set_due_welcome(
    connection: Connection, subscriber_id: SubscriberId, due: DueWelcome | None
) -> None:
    """Store what is due from now on."""
    connection.execute(
        "UPDATE subscribers SET due_welcome = %(due)s WHERE id = %(id)s",
        {"id": subscriber_id.root, "due": due},
    )


def merge_confirmation(
    connection: Connection, subscriber_id: SubscriberId, issued_at: datetime, clicked_at: datetime
) -> SubscriberStatus:
    """Merge a confirmation's two times and return the status that follows from them.

    A mail that was due before the click is no longer due.
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


def update_profile(connection: Connection, subscriber_id: SubscriberId, sign_up: SignUp) -> None:
    """Store what the subscriber confirmed of themselves; without a name, the former one stays."""
    connection.execute(
        """
        UPDATE subscribers SET name = coalesce(%(name)s, name), language = %(language)s
        WHERE id = %(id)s
        """,
        {"id": subscriber_id.root, "name": _text(sign_up.name), "language": sign_up.language},
    )


def _text(name: SubscriberName | None) -> str | None:
    return None if name is None else str(name)


def merge_unsubscribe(
    connection: Connection, subscriber_id: SubscriberId, at: datetime
) -> SubscriberStatus:
    """Merge an unsubscribe's time and return the status that follows from it.

    A mail that was due before is no longer due.
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


def merge_bounces_and_complaints(
    connection: Connection, reports: Sequence[BounceOrComplaint]
) -> dict[SubscriberStatus, int]:
    """Merge bounces and complaints; return how many subscribers have which new status.

    Every change of status goes to the consent log. Rows are locked in one order.
    """
    if not reports:
        return {}
    ordered = sorted(reports, key=lambda report: report.subscriber_id.root)
    with connection.cursor(row_factory=args_row(_changed)) as cursor:
        changed = cursor.execute(
            """
            WITH report AS (
                SELECT subscriber_id, max(bounced_at) AS bounced_at,
                       max(complained_at) AS complained_at,
                       min(message_id) AS message_id, min(issue_id::text)::uuid AS issue_id
                FROM unnest(
                    %(subscriber_ids)s::uuid[], %(bounced)s::timestamptz[],
                    %(complained)s::timestamptz[], %(message_ids)s::text[], %(issue_ids)s::uuid[]
                ) AS report (subscriber_id, bounced_at, complained_at, message_id, issue_id)
                GROUP BY subscriber_id
            ), before AS (
                SELECT id, status FROM subscribers
                WHERE id IN (SELECT subscriber_id FROM report)
                ORDER BY id
                FOR UPDATE
            ), after AS (
                UPDATE subscribers AS subscriber
                SET bounced_at = greatest(subscriber.bounced_at, report.bounced_at),
                    complained_at = greatest(subscriber.complained_at, report.complained_at)
                FROM report, before
                WHERE subscriber.id = report.subscriber_id AND before.id = subscriber.id
                RETURNING subscriber.id, subscriber.status, report.issue_id, report.message_id
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
                "subscriber_ids": [report.subscriber_id.root for report in ordered],
                "bounced": [report.bounced_at for report in ordered],
                "complained": [report.complained_at for report in ordered],
                "message_ids": [report.message_id for report in ordered],
                "issue_ids": [
                    report.issue_id.root if report.issue_id else None for report in ordered
                ],
            },
        ).fetchall()
    return dict(changed)


def _changed(status: str, number: int) -> tuple[SubscriberStatus, int]:
    return SubscriberStatus(status), number


def _status_after(
    connection: Connection, update: LiteralString, parameters: dict[str, object]
) -> SubscriberStatus:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return SubscriberStatus(str(cursor.execute(update, parameters).fetchone()))

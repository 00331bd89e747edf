"""Subscribers: each statement merges a time into a row, harmless when repeated or late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple, Self

from psycopg import sql
from psycopg.rows import args_row, class_row, scalar_row
from psycopg.types.json import Jsonb

from broadsheet.database.columns import columns_of
from broadsheet.database.segment_condition import condition
from broadsheet.domain.subscriber_state import Subscriber
from broadsheet.domain.subscribers import DueMail, DueWelcome, SubscriberId, SubscriberStatus
from broadsheet.domain.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import (
        AddressToken,
        ConfirmationToken,
        SignUp,
        SubscribeRequest,
    )
    from broadsheet.domain.segments import SegmentFilter
    from broadsheet.domain.subscribers import EmailAddress, SubscriberName
    from broadsheet.domain.tags import OfferedTags, Tags

COUNTED_EXACTLY = 10_000  # readers; a few milliseconds of an index

_SELECT = sql.SQL("SELECT {columns} FROM subscribers ").format(columns=columns_of(Subscriber))
_LOCK_BY_EMAIL = _SELECT + sql.SQL("WHERE email = %(email)s FOR UPDATE")
# Whom an id in an old link means now. What was asked for before the merge was of somebody else.
_SURVIVOR = sql.SQL(
    """
    coalesce(
        (
            SELECT subscriber_id FROM merged_subscribers
            WHERE id = %(id)s AND merged_at <= coalesce(%(at)s::timestamptz, 'infinity')
        ),
        %(id)s
    )
    """
)
_LOCK_BY_ID = _SELECT + sql.SQL("WHERE id = {} FOR UPDATE").format(_SURVIVOR)
_LOCK_BOTH = _SELECT + sql.SQL("WHERE id = %(id)s OR email = %(email)s ORDER BY id FOR UPDATE")


def insert_pending(connection: Connection, sign_up: SignUp, signed_up_at: datetime) -> None:
    """Insert a pending subscriber; change nothing when the address is known."""
    connection.execute(
        """
        INSERT INTO subscribers (id, email, name, language, tags, signed_up_at)
        VALUES (%(id)s, %(email)s, %(name)s, %(language)s, %(tags)s, %(signed_up_at)s)
        ON CONFLICT (email) DO NOTHING
        """,
        {
            "id": SubscriberId.new().root,
            "email": str(sign_up.email),
            "name": _text(sign_up.name),
            "language": sign_up.language,
            "tags": _texts(sign_up.tags),
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
    subscriber = find_by_email(connection, email)
    if subscriber is None:
        raise LookupError("no subscriber has this address")
    return subscriber


def lock_by_id(
    connection: Connection, subscriber_id: SubscriberId, at: datetime | None = None
) -> Subscriber | None:
    """Return this subscriber, or whom they are merged into, locked until the transaction ends.

    ``at``: when something was asked for; None for now.
    """
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        for _ in range(2):  # they may have been merged while this waited for their row
            found = cursor.execute(_LOCK_BY_ID, {"id": subscriber_id.root, "at": at}).fetchone()
            if found is not None:
                return found
    return None


def lock_both(
    connection: Connection, subscriber_id: SubscriberId, email: EmailAddress
) -> tuple[Subscriber | None, Subscriber | None]:
    """Return a subscriber and whoever has an address, both locked until the transaction ends.

    They may be one. The rows are locked in the order of their ids, as everywhere: two transactions
    never wait for each other.
    """
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        found = cursor.execute(
            _LOCK_BOTH, {"id": subscriber_id.root, "email": str(email)}
        ).fetchall()
    return (
        next((each for each in found if each.id == subscriber_id), None),
        next((each for each in found if each.email == email), None),
    )


def merge(
    connection: Connection,
    subscriber_id: SubscriberId,
    into: SubscriberId,
    at: datetime,
) -> None:
    """Have an id, and those that were merged into it before, mean another subscriber from now on.

    The row with that id is deleted next.
    """
    connection.execute(
        """
        UPDATE merged_subscribers SET subscriber_id = %(into)s WHERE subscriber_id = %(id)s
        """,
        {"id": subscriber_id.root, "into": into.root},
    )
    connection.execute(
        """
        INSERT INTO merged_subscribers (id, subscriber_id, merged_at)
        VALUES (%(id)s, %(into)s, %(at)s)
        """,
        {"id": subscriber_id.root, "into": into.root, "at": at},
    )


def find_by_email(connection: Connection, email: EmailAddress) -> Subscriber | None:
    """Return the subscriber with this address, locked until the transaction ends, if any."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        return cursor.execute(_LOCK_BY_EMAIL, {"email": str(email)}).fetchone()


def id_of(connection: Connection, email: EmailAddress) -> SubscriberId | None:
    """Return the id of the subscriber with this address, if any; nothing is locked."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(
            "SELECT id FROM subscribers WHERE email = %(email)s", {"email": str(email)}
        ).fetchone()
    return None if found is None else SubscriberId(found)


class DueMark(NamedTuple):
    """A mail that is due to a subscriber, and the sign-up that it has been due since."""

    subscriber_id: UUID
    mail: DueMail
    since: datetime
    request_id: UUID


class SignedUp(NamedTuple):
    """A subscriber, as far as a sign-up reads it."""

    id: UUID
    email: str
    language: str
    status: SubscriberStatus
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    due_mail: DueMail | None
    due_mail_since: datetime | None

    def owed(self, mark: DueMark) -> Self:
        """Return the subscriber with a mark."""
        return self._replace(due_mail=mark.mail, due_mail_since=mark.since)


def sign_up(connection: Connection, requests: Collection[SubscribeRequest]) -> dict[str, SignedUp]:
    """Insert those who are new as pending; return all by address, locked until the end.

    ``requests``: each of another address. New rows are inserted in the order of their addresses,
    and then all are locked in that of their ids, as everywhere: two transactions never wait for
    each other.
    """
    ordered = sorted(requests, key=lambda request: str(request.email))
    connection.execute(
        """
        INSERT INTO subscribers (id, email, name, language, tags, signed_up_at)
        SELECT gen_random_uuid(), email, name, language,
               ARRAY(SELECT jsonb_array_elements_text(tags)), signed_up_at
        FROM unnest(
            %(emails)s::text[], %(names)s::text[], %(languages)s::text[], %(tags)s::jsonb[],
            %(times)s::timestamptz[]
        ) AS sign_up (email, name, language, tags, signed_up_at)
        ON CONFLICT (email) DO NOTHING
        """,
        {
            "emails": [str(request.email) for request in ordered],
            "names": [_text(request.name) for request in ordered],
            "languages": [request.language for request in ordered],
            "tags": [Jsonb(_texts(request.tags)) for request in ordered],
            "times": [request.received_at for request in ordered],
        },
    )
    with connection.cursor(row_factory=args_row(_signed_up)) as cursor:
        found = cursor.execute(
            """
            SELECT
                id, email, language, status, confirmed_at, unsubscribed_at, due_mail, due_mail_since
            FROM subscribers
            WHERE email = ANY (%(emails)s)
            ORDER BY id
            FOR UPDATE
            """,
            {"emails": [str(request.email) for request in ordered]},
        ).fetchall()
    return {subscriber.email: subscriber for subscriber in found}


def _signed_up(  # noqa: PLR0913, PLR0917 - a row's columns
    subscriber_id: UUID,
    email: str,
    language: str,
    status: str,
    confirmed_at: datetime | None,
    unsubscribed_at: datetime | None,
    due_mail: str | None,
    due_mail_since: datetime | None,
) -> SignedUp:
    return SignedUp(
        subscriber_id,
        email,
        language,
        SubscriberStatus(status),
        confirmed_at,
        unsubscribed_at,
        DueMail(due_mail) if due_mail else None,
        due_mail_since,
    )


def owe_mails(connection: Connection, marks: Sequence[DueMark]) -> None:
    """Mark mails as due to subscribers who are locked, to be committed before they are sent."""
    connection.execute(
        """
        UPDATE subscribers
        SET due_mail = mark.mail, due_mail_since = mark.since
        FROM unnest(%(ids)s::uuid[], %(mails)s::due_mail[], %(times)s::timestamptz[])
            AS mark (id, mail, since)
        WHERE subscribers.id = mark.id
        """,
        _columns(marks),
    )


def clear_due_mails(connection: Connection, marks: Sequence[DueMark]) -> None:
    """Clear the marks of mails that were sent, unless a newer mark has replaced one."""
    connection.execute(
        """
        WITH cleared AS (
            SELECT subscribers.id
            FROM subscribers
            JOIN unnest(%(ids)s::uuid[], %(mails)s::due_mail[], %(times)s::timestamptz[])
                AS mark (id, mail, since) USING (id)
            WHERE due_mail = mark.mail AND due_mail_since = mark.since
            ORDER BY id
            FOR UPDATE OF subscribers
        )
        UPDATE subscribers
        SET due_mail = NULL, due_mail_since = NULL
        WHERE id IN (SELECT id FROM cleared)
        """,
        _columns(marks),
    )


def _columns(marks: Sequence[DueMark]) -> dict[str, list[object]]:
    return {
        "ids": [mark.subscriber_id for mark in marks],
        "mails": [mark.mail.value for mark in marks],
        "times": [mark.since for mark in marks],
    }


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


def note_welcome(
    connection: Connection, subscriber_id: SubscriberId, welcome: Mapping[str, Any]
) -> None:
    """Store what became of a mail that followed the confirmation; its time is added."""
    connection.execute(
        """
        UPDATE subscribers
        SET welcomes = coalesce(welcomes, '[]')
            || jsonb_build_array(jsonb_build_object('at', clock_timestamp()) || %(welcome)s)
        WHERE id = %(id)s
        """,
        {"id": subscriber_id.root, "welcome": Jsonb(dict(welcome))},
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


def update_profile(
    connection: Connection,
    subscriber_id: SubscriberId,
    token: ConfirmationToken,
    offered: OfferedTags,
) -> None:
    """Store what the subscriber confirmed of themselves, but for what they changed since.

    Without a name, the former one stays; without a choice of tags, all of these.
    """
    connection.execute(
        """
        UPDATE subscribers
        SET name = CASE
                WHEN name_changed_at > %(issued_at)s THEN name ELSE coalesce(%(name)s, name)
            END,
            language = CASE
                WHEN language_changed_at > %(issued_at)s THEN language ELSE %(language)s
            END
        WHERE id = %(id)s
        """,
        {
            "id": subscriber_id.root,
            "name": _text(token.name),
            "language": token.language,
            "issued_at": token.issued_at,
        },
    )
    if token.tags is not None:
        choose_tags(connection, subscriber_id, token.tags, offered, token.issued_at)


def change_name(
    connection: Connection, subscriber_id: SubscriberId, name: SubscriberName | None, at: datetime
) -> None:
    """Store a name, or that there is none, unless it was changed or confirmed later."""
    connection.execute(
        sql.SQL(
            """
            UPDATE subscribers SET name = %(name)s, name_changed_at = %(at)s
            WHERE id = {}
              AND %(at)s > coalesce(
                  greatest(name_changed_at, confirmation_issued_at), '-infinity'::timestamptz
              )
            """
        ).format(_SURVIVOR),
        {"id": subscriber_id.root, "name": _text(name), "at": at},
    )


def change_language(
    connection: Connection, subscriber_id: SubscriberId, language: str, at: datetime
) -> None:
    """Store a language, unless it was changed or confirmed later."""
    connection.execute(
        sql.SQL(
            """
            UPDATE subscribers SET language = %(language)s, language_changed_at = %(at)s
            WHERE id = {}
              AND %(at)s > coalesce(
                  greatest(language_changed_at, confirmation_issued_at), '-infinity'::timestamptz
              )
            """
        ).format(_SURVIVOR),
        {"id": subscriber_id.root, "language": language, "at": at},
    )


def choose_tags(
    connection: Connection,
    subscriber_id: SubscriberId,
    chosen: Tags,
    offered: OfferedTags,
    at: datetime,
) -> None:
    """Store which of the offered tags a reader has, unless their tags were changed later.

    All tags that are not offered stay.
    """
    connection.execute(
        sql.SQL(
            """
            UPDATE subscribers
            SET tags = ARRAY(
                    SELECT former FROM unnest(tags) AS former WHERE former <> ALL (%(offered)s)
                    UNION
                    SELECT unnest(%(chosen)s::text[])
                    ORDER BY 1
                ),
                tags_changed_at = %(at)s
            WHERE id = {} AND (tags_changed_at IS NULL OR tags_changed_at < %(at)s)
            """
        ).format(_SURVIVOR),
        {
            "id": subscriber_id.root,
            "chosen": _texts(chosen),
            "offered": offered.names,
            "at": at,
        },
    )


def move(
    connection: Connection, subscriber_id: SubscriberId, token: AddressToken, confirmed_at: datetime
) -> SubscriberStatus:
    """Store a confirmed new address and return the status, in which an old bounce counts no more.

    A mail that was due went to the old address, and is no longer due.
    """
    return _status_after(
        connection,
        """
        UPDATE subscribers
        SET email = %(email)s,
            address_issued_at = %(issued_at)s,
            moved_at = greatest(moved_at, %(confirmed_at)s),
            confirmed_at = CASE
                WHEN confirmed_at IS NOT NULL THEN greatest(confirmed_at, %(confirmed_at)s)
            END,
            due_mail = NULL,
            due_mail_since = NULL
        WHERE id = %(id)s
        RETURNING status
        """,
        {
            "id": subscriber_id.root,
            "email": str(token.email),
            "issued_at": token.issued_at,
            "confirmed_at": confirmed_at,
        },
    )


def _text(name: SubscriberName | None) -> str | None:
    return None if name is None else str(name)


def _texts(tags: Tags | None) -> list[str]:
    return [str(tag) for tag in tags or ()]


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


def state_consent(
    connection: Connection, subscriber_id: SubscriberId, given_at: datetime
) -> SubscriberStatus:
    """Store a consent that was given elsewhere; no mail is due then."""
    return _status_after(
        connection,
        """
        UPDATE subscribers
        SET confirmation_issued_at = greatest(confirmation_issued_at, %(at)s),
            confirmed_at = greatest(confirmed_at, %(at)s),
            due_mail = NULL,
            due_mail_since = NULL
        WHERE id = %(id)s
        RETURNING status
        """,
        {"id": subscriber_id.root, "at": given_at},
    )


def forgive(connection: Connection, subscriber_id: SubscriberId, at: datetime) -> SubscriberStatus:
    """Clear bounces and complaints until a time, also those that come later."""
    return _status_after(
        connection,
        """
        UPDATE subscribers
        SET bounced_at = CASE WHEN bounced_at > %(at)s THEN bounced_at END,
            complained_at = CASE WHEN complained_at > %(at)s THEN complained_at END,
            forgiven_at = greatest(forgiven_at, %(at)s)
        WHERE id = %(id)s
        RETURNING status
        """,
        {"id": subscriber_id.root, "at": at},
    )


def tags_of(connection: Connection, subscriber_id: SubscriberId) -> Tags:
    """Return the tags that a subscriber has."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(
            "SELECT tags FROM subscribers WHERE id = %(id)s", {"id": subscriber_id.root}
        ).fetchone()
    return tuple(map(Tag, found or ()))


def set_tags(connection: Connection, subscriber_id: SubscriberId, tags: Tags, at: datetime) -> None:
    """Store all tags that a subscriber has, whatever they were."""
    connection.execute(
        "UPDATE subscribers SET tags = %(tags)s, tags_changed_at = %(at)s WHERE id = %(id)s",
        {"id": subscriber_id.root, "tags": _texts(tags), "at": at},
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


def count_confirmed_of(connection: Connection, segment: SegmentFilter) -> int:
    """Count the confirmed subscribers of a segment, however many; a million take half a second."""
    chosen = condition(segment)
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                sql.SQL("SELECT count(*) FROM subscribers WHERE {condition}").format(
                    condition=chosen.sql
                ),
                chosen.parameters,
            ).fetchone()
            or 0
        )


def _status_after(
    connection: Connection, update: LiteralString, parameters: dict[str, object]
) -> SubscriberStatus:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return SubscriberStatus(str(cursor.execute(update, parameters).fetchone()))

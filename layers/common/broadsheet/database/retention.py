"""What is kept no longer: each statement clears or deletes a bounded number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, LiteralString, NamedTuple

from psycopg.rows import args_row, scalar_row

from broadsheet.domain.subscribers import EmailAddress, SubscriberId

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId

type Old = Literal[
    "networks", "sources", "wrong_codes", "new_address_mails", "suspicious_sign_ups", "import_rows"
]

_OLD: dict[Old, LiteralString] = {
    "networks": """
        UPDATE sign_ups SET source_network = ''
        WHERE request_id IN (
            SELECT request_id FROM sign_ups
            WHERE source_network <> '' AND received_at < %(before)s
            ORDER BY received_at
            LIMIT %(at_most)s
            FOR UPDATE SKIP LOCKED
        )
    """,
    "sources": """
        UPDATE consents SET source_address = NULL, user_agent = NULL
        WHERE id IN (
            SELECT id FROM consents
            WHERE (source_address IS NOT NULL OR user_agent IS NOT NULL) AND at < %(before)s
            ORDER BY at
            LIMIT %(at_most)s
            FOR UPDATE SKIP LOCKED
        )
    """,
    "wrong_codes": """
        DELETE FROM wrong_codes
        WHERE request_id IN (
            SELECT request_id FROM wrong_codes WHERE received_at < %(before)s LIMIT %(at_most)s
        )
    """,
    "new_address_mails": """
        DELETE FROM new_address_mails
        WHERE request_id IN (
            SELECT request_id FROM new_address_mails
            WHERE received_at < %(before)s
            LIMIT %(at_most)s
        )
    """,
    "suspicious_sign_ups": """
        DELETE FROM suspicious_sign_ups
        WHERE request_id IN (
            SELECT request_id FROM suspicious_sign_ups
            WHERE received_at < %(before)s
            LIMIT %(at_most)s
            FOR UPDATE SKIP LOCKED
        )
    """,
    "import_rows": """
        DELETE FROM import_rows
        USING (
            SELECT import_id, number
            FROM import_rows JOIN imports ON imports.id = import_rows.import_id
            WHERE greatest(imports.created_at, imports.applied_at) < %(before)s
            LIMIT %(at_most)s
        ) AS old
        WHERE import_rows.import_id = old.import_id AND import_rows.number = old.number
    """,
}


def clear(connection: Connection, old: Old, before: datetime, at_most: int) -> int:
    """Clear or delete what is older than a time; return how many rows."""
    return connection.execute(_OLD[old], {"before": before, "at_most": at_most}).rowcount


def delete_empty_imports(connection: Connection, before: datetime) -> None:
    """Delete old imports that have no rows left."""
    connection.execute(
        """
        DELETE FROM imports
        WHERE greatest(created_at, applied_at) < %(before)s
          AND NOT EXISTS (SELECT FROM import_rows WHERE import_id = imports.id)
        """,
        {"before": before},
    )


class Silent(NamedTuple):
    """Somebody who has not been heard of since a time. ``left_at``: None if never a reader."""

    id: SubscriberId
    email: EmailAddress
    left_at: datetime | None


def _silent(of: UUID, email: str, left_at: datetime | None) -> Silent:
    return Silent(SubscriberId(of), EmailAddress(email), left_at)


def lock_silent(
    connection: Connection,
    status: Literal["pending", "unsubscribed"],
    before: datetime,
    at_most: int,
) -> list[Silent]:
    """Lock and return some who have had a status since a time, and asked for nothing meanwhile.

    A request that was applied while they were being locked is seen by the second look.
    """
    chosen = _find_silent(connection, status, before, at_most, None)
    return _find_silent(connection, status, before, at_most, [each.id.root for each in chosen])


def _find_silent(
    connection: Connection,
    status: str,
    before: datetime,
    at_most: int,
    among: Collection[UUID] | None,
) -> list[Silent]:
    with connection.cursor(row_factory=args_row(_silent)) as cursor:
        return cursor.execute(
            """
            SELECT id, email, unsubscribed_at
            FROM subscribers
            WHERE status = %(status)s::subscriber_status
              AND greatest(signed_up_at, unsubscribed_at) < %(before)s
              AND (%(among)s::uuid[] IS NULL OR id = ANY (%(among)s))
              AND NOT EXISTS (
                  SELECT FROM sign_ups
                  WHERE subscriber_id = subscribers.id AND received_at >= %(before)s
              )
              AND NOT EXISTS (
                  SELECT FROM consents
                  WHERE subscriber_id = subscribers.id
                    AND greatest(at, recorded_at) >= %(before)s
              )
            ORDER BY id
            LIMIT %(at_most)s
            FOR UPDATE SKIP LOCKED
            """,
            {"status": status, "before": before, "at_most": at_most, "among": among},
        ).fetchall()


def forget_recipients(connection: Connection, before: datetime, at_most: int) -> int:
    """Replace the recipients' ids in the ledger of an issue that ended before a time.

    Returns how many batches of it were done; fewer than ``at_most`` are its last ones. The caller's
    transaction holds the issue's lock.
    """
    chosen = connection.execute(
        """
        UPDATE issues SET forgetting = coalesce(forgetting, gen_random_uuid())
        WHERE id = (
            SELECT id FROM issues
            WHERE status IN ('finished', 'canceled') AND forgotten_at IS NULL
              AND coalesce(finished_at, frozen_at) < %(before)s
            ORDER BY forgetting, id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING id, forgetting
        """,
        {"before": before},
    ).fetchone()
    if chosen is None:
        return 0
    parameters = {"issue_id": chosen[0], "salt": str(chosen[1]), "at_most": at_most}
    done = connection.execute(_FORGET_RECIPIENTS, parameters).rowcount
    if done < at_most:
        connection.execute(
            "UPDATE issues SET forgetting = NULL, forgotten_at = now() WHERE id = %(issue_id)s",
            parameters,
        )
    return max(done, 1)


# An id becomes the same other id in all rounds, so that the books count as before.
_FORGET_RECIPIENTS: LiteralString = """
    WITH chosen AS MATERIALIZED (
        SELECT number, round, recipients FROM delivery_batches
        WHERE issue_id = %(issue_id)s AND NOT is_forgotten
        ORDER BY number
        LIMIT %(at_most)s
        FOR UPDATE
    ), member AS MATERIALIZED (
        SELECT DISTINCT id, round, md5(%(salt)s || id::text)::uuid AS other
        FROM chosen, unnest(recipients) AS id
    ), in_ledger AS (
        UPDATE deliveries SET subscriber_id = other
        FROM member
        WHERE issue_id = %(issue_id)s AND subscriber_id = id AND deliveries.round = member.round
    ), among_duplicates AS (
        UPDATE duplicate_mails AS twice SET subscriber_id = other
        FROM member
        WHERE issue_id = %(issue_id)s AND subscriber_id = id AND twice.round = member.round
    ), among_resends AS (
        UPDATE resends SET subscriber_id = other
        FROM member
        WHERE issue_id = %(issue_id)s AND subscriber_id = id AND resends.round = member.round
    )
    UPDATE delivery_batches AS batch
    SET is_forgotten = true,
        recipients = ARRAY(
            SELECT md5(%(salt)s || id::text)::uuid
            FROM unnest(batch.recipients) WITH ORDINALITY AS recipient (id, place)
            ORDER BY place
        )
    FROM chosen
    WHERE batch.issue_id = %(issue_id)s AND batch.number = chosen.number
"""


def has_forgotten(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether the ledger of an issue has forgotten its recipients, or begun to."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT forgotten_at IS NOT NULL OR forgetting IS NOT NULL
                FROM issues WHERE id = %(id)s
                """,
                {"id": issue_id.root},
            ).fetchone()
        )

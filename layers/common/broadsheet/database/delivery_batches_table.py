"""The frozen audience in batches: released, claimed, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from psycopg.rows import class_row, scalar_row

from broadsheet.domain.deliveries import BatchPointer, Claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def insert_audience(connection: Connection, issue_id: IssueId, batch_size: int) -> int:
    """Freeze the confirmed subscribers into batches, and return how many they are."""
    # A million took 5 s on two cores; a database that has just woken has fewer.
    connection.execute("SET LOCAL statement_timeout = '4min'")
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                WITH audience AS (
                    SELECT id, (row_number() OVER () - 1) / %(batch_size)s + 1 AS number
                    FROM subscribers
                    WHERE status = 'confirmed'
                ), batches AS (
                    INSERT INTO delivery_batches (issue_id, number, recipients)
                    SELECT %(issue_id)s, number, array_agg(id)
                    FROM audience
                    GROUP BY number
                    RETURNING cardinality(recipients) AS size
                )
                SELECT coalesce(sum(size), 0) FROM batches
                """,
                {"issue_id": issue_id.root, "batch_size": batch_size},
            ).fetchone()
            or 0
        )


def count_released(connection: Connection, issue_id: IssueId, released_long_ago: timedelta) -> int:
    """Count the waiting batches whose pointers are on their way."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM delivery_batches
                WHERE issue_id = %(issue_id)s
                  AND state = 'waiting'
                  AND released_at >= now() - %(released_long_ago)s
                """,
                {"issue_id": issue_id.root, "released_long_ago": released_long_ago},
            ).fetchone()
            or 0
        )


def mark_released(
    connection: Connection, issue_id: IssueId, limit: int, released_long_ago: timedelta
) -> Sequence[BatchPointer]:
    """Mark up to ``limit`` waiting batches as released, and return their pointers in order.

    A batch released long ago and still waiting lost its pointer: it is released again.
    """
    with connection.cursor(row_factory=class_row(BatchPointer)) as cursor:
        pointers = cursor.execute(
            """
            WITH next AS (
                SELECT issue_id, number
                FROM delivery_batches
                WHERE issue_id = %(issue_id)s
                  AND state = 'waiting'
                  AND (released_at IS NULL OR released_at < now() - %(released_long_ago)s)
                  AND (not_before IS NULL OR not_before <= now())
                ORDER BY number
                LIMIT %(limit)s
                FOR UPDATE SKIP LOCKED
            )
            UPDATE delivery_batches AS batch
            SET released_at = now()
            FROM next
            WHERE batch.issue_id = next.issue_id AND batch.number = next.number
            RETURNING batch.issue_id, batch.number
            """,
            {
                "issue_id": issue_id.root,
                "limit": limit,
                "released_long_ago": released_long_ago,
            },
        ).fetchall()
    return sorted(pointers, key=lambda pointer: pointer.number)


def claim(connection: Connection, pointer: BatchPointer, valid_for: timedelta) -> Claim | None:
    """Take a batch that is waiting and whose issue is sending; None when there is no such one."""
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(
            """
            UPDATE delivery_batches
            SET state = 'claimed',
                claim_id = %(claim_id)s,
                claim_deadline = now() + %(valid_for)s
            WHERE issue_id = %(issue_id)s
              AND number = %(number)s
              AND state = 'waiting'
              AND (not_before IS NULL OR not_before <= now())
              AND EXISTS (
                  SELECT FROM issues WHERE id = %(issue_id)s AND status = 'sending'
              )
            RETURNING claim_id AS id, issue_id, number, round, tries, claim_deadline AS deadline,
                      recipients
            """,
            {
                "claim_id": uuid4(),
                "issue_id": pointer.issue_id.root,
                "number": pointer.number,
                "valid_for": valid_for,
            },
        ).fetchone()


def clear_release(connection: Connection, pointer: BatchPointer) -> None:
    """Let dispatch release a batch again whose issue may not send now, when it may."""
    connection.execute(
        """
        UPDATE delivery_batches
        SET released_at = NULL
        WHERE issue_id = %(issue_id)s
          AND number = %(number)s
          AND state = 'waiting'
          AND NOT EXISTS (
              SELECT FROM issues WHERE id = %(issue_id)s AND status = 'sending'
          )
        """,
        {"issue_id": pointer.issue_id.root, "number": pointer.number},
    )


def close(connection: Connection, claim: Claim) -> bool:
    """Close a batch whose recipients all have their outcome; False when the claim was lost."""
    closed = connection.execute(
        """
        UPDATE delivery_batches
        SET state = 'closed', claim_id = NULL, claim_deadline = NULL
        WHERE issue_id = %(issue_id)s AND number = %(number)s AND claim_id = %(claim_id)s
        """,
        {"issue_id": claim.issue_id.root, "number": claim.number, "claim_id": claim.id},
    )
    return closed.rowcount == 1


def return_to_waiting(
    connection: Connection, claim: Claim, tries: int, not_before: timedelta
) -> bool:
    """Give a claimed batch back, to be sent again after a while; False when the claim was lost."""
    returned = connection.execute(
        """
        UPDATE delivery_batches
        SET state = 'waiting', claim_id = NULL, claim_deadline = NULL, released_at = NULL,
            tries = %(tries)s, not_before = now() + %(not_before)s
        WHERE issue_id = %(issue_id)s AND number = %(number)s AND claim_id = %(claim_id)s
        """,
        {
            "issue_id": claim.issue_id.root,
            "number": claim.number,
            "claim_id": claim.id,
            "tries": tries,
            "not_before": not_before,
        },
    )
    return returned.rowcount == 1


def lock_dead_claims(
    connection: Connection, issue_id: IssueId, dead_after_deadline: timedelta
) -> Sequence[Claim]:
    """Return and lock the claims whose deliver must be dead: nothing of theirs is in flight."""
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(
            """
            SELECT claim_id AS id, issue_id, number, round, tries, claim_deadline AS deadline,
                   recipients
            FROM delivery_batches
            WHERE issue_id = %(issue_id)s
              AND state = 'claimed'
              AND claim_deadline < now() - %(dead_after_deadline)s
            ORDER BY number
            FOR UPDATE SKIP LOCKED
            """,
            {"issue_id": issue_id.root, "dead_after_deadline": dead_after_deadline},
        ).fetchall()


def has_open(connection: Connection, issue_id: IssueId) -> bool:
    """Tell whether any batch of the issue is waiting or claimed."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM delivery_batches WHERE issue_id = %(id)s AND state <> 'closed'
                )
                """,
                {"id": issue_id.root},
            ).fetchone()
        )

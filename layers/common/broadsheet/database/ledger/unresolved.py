"""Sends whose outcome is unknown: held until SES's events settle them or can't come any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row

from broadsheet.domain.ledger import RoundMember

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


def oldest_deadline(connection: Connection, issue_id: IssueId) -> datetime | None:
    """Return the oldest claim deadline of the issue's unresolved sends; None without any."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT min(claim_deadline) FROM deliveries
            WHERE issue_id = %(issue_id)s AND outcome = 'unresolved'
            """,
            {"issue_id": issue_id.root},
        ).fetchone()


def count_until(connection: Connection, deadline: datetime) -> int:
    """Count the unresolved sends of all issues whose claims' deadlines are not after a time."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM deliveries
                WHERE outcome = 'unresolved' AND claim_deadline <= %(deadline)s
                """,
                {"deadline": deadline},
            ).fetchone()
            or 0
        )


def lock_until(
    connection: Connection, issue_id: IssueId, deadline: datetime
) -> Sequence[RoundMember]:
    """Return and lock the unresolved sends whose claims' deadlines are not after ``deadline``."""
    with connection.cursor(row_factory=class_row(RoundMember)) as cursor:
        return cursor.execute(
            """
            SELECT subscriber_id, round FROM deliveries
            WHERE issue_id = %(issue_id)s
              AND outcome = 'unresolved'
              AND claim_deadline <= %(deadline)s
            ORDER BY subscriber_id, round
            FOR UPDATE
            """,
            {"issue_id": issue_id.root, "deadline": deadline},
        ).fetchall()


def delete_for_resend(
    connection: Connection, issue_id: IssueId, round_number: int, subscriber_ids: Sequence[UUID]
) -> None:
    """Delete locked unresolved rows, whose recipients wait again, and list them as resends."""
    connection.execute(
        """
        WITH removed AS (
            DELETE FROM deliveries
            WHERE issue_id = %(issue_id)s
              AND round = %(round)s
              AND subscriber_id = ANY(%(ids)s)
              AND outcome = 'unresolved'
            RETURNING issue_id, subscriber_id, round, claim_id
        )
        INSERT INTO resends (issue_id, subscriber_id, round, claim_id)
        SELECT issue_id, subscriber_id, round, claim_id FROM removed
        ON CONFLICT DO NOTHING
        """,
        {"issue_id": issue_id.root, "round": round_number, "ids": list(subscriber_ids)},
    )


def give_up(connection: Connection, issue_id: IssueId, unresolved: Sequence[RoundMember]) -> None:
    """Mark locked unresolved recipients of a canceled issue as skipped; an event still wins."""
    connection.execute(
        """
        UPDATE deliveries AS ledger
        SET outcome = 'skipped', reason = 'canceled, perhaps mailed', recorded_at = now()
        FROM unnest(%(ids)s::uuid[], %(rounds)s::integer[]) AS given_up (subscriber_id, round)
        WHERE ledger.issue_id = %(issue_id)s
          AND ledger.subscriber_id = given_up.subscriber_id
          AND ledger.round = given_up.round
          AND ledger.outcome = 'unresolved'
        """,
        {
            "issue_id": issue_id.root,
            "ids": [member.subscriber_id for member in unresolved],
            "rounds": [member.round for member in unresolved],
        },
    )

"""Whom to mail: recipients of claimed batches without an outcome, and those who have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import args_row, class_row

from broadsheet.domain.deliveries import Delivery, Outcome, Recipient
from broadsheet.domain.ledger import RoundMember
from broadsheet.domain.subscribers import EmailAddress, SubscriberStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.deliveries import Claim
    from broadsheet.domain.issues import IssueId


def read_recipients(connection: Connection, claim: Claim) -> tuple[list[Recipient], list[Delivery]]:
    """Return the recipients of the claimed batches, and the outcomes of those not to be mailed.

    Recipients are still confirmed. Nobody appears who has a row for this round, or whose mail was
    accepted in any.
    """
    # In binary, an id is 16 bytes to copy instead of 36 characters to parse.
    with connection.cursor(row_factory=args_row(_parse), binary=True) as cursor:
        members = cursor.execute(
            """
            SELECT member.id, batch.number, batch.round,
                   coalesce(subscriber.email, ''), coalesce(subscriber.name, ''),
                   coalesce(subscriber.language, ''), subscriber.status::text
            FROM delivery_batches AS batch
            CROSS JOIN LATERAL unnest(batch.recipients) AS member (id)
            LEFT JOIN subscribers AS subscriber ON subscriber.id = member.id
            WHERE batch.issue_id = %(issue_id)s
              AND batch.number = ANY(%(numbers)s)
              AND batch.claim_id = %(claim_id)s
              AND NOT EXISTS (
                  SELECT FROM deliveries AS ledger
                  WHERE ledger.issue_id = %(issue_id)s
                    AND ledger.subscriber_id = member.id
                    AND (ledger.round = batch.round OR ledger.outcome = 'accepted')
              )
            """,
            {
                "issue_id": claim.issue_id.root,
                "claim_id": claim.id,
                "numbers": [batch.number for batch in claim.batches],
            },
        ).fetchall()
    return (
        [member for member in members if type(member) is Recipient],
        [member for member in members if type(member) is Delivery],
    )


def _parse(  # noqa: PLR0913, PLR0917 - the columns of a row
    subscriber_id: UUID,
    batch_number: int,
    in_round: int,
    email: str,
    name: str,
    language: str,
    status: str | None,
) -> Recipient | Delivery:
    if status != SubscriberStatus.CONFIRMED:
        reason = status or "deleted"
        return Delivery(subscriber_id, batch_number, in_round, Outcome.SKIPPED, reason)
    if not EmailAddress.is_stored_form(email):  # stored by older rules, or by hand: it fails alone
        reason = "INVALID_SUBSCRIBER"
        return Delivery(subscriber_id, batch_number, in_round, Outcome.FAILED, reason)
    return Recipient(subscriber_id, batch_number, in_round, email, name, language)


def find_failed(connection: Connection, issue_id: IssueId) -> Sequence[RoundMember]:
    """Return those who have failed and are in no later round, with the round that failed."""
    with connection.cursor(row_factory=class_row(RoundMember)) as cursor:
        return cursor.execute(
            """
            WITH later AS MATERIALIZED (
                SELECT id AS subscriber_id, max(round) AS round
                FROM delivery_batches, unnest(recipients) AS id
                WHERE issue_id = %(issue_id)s AND round > 1
                GROUP BY id
            ), failed AS (
                SELECT subscriber_id, max(round) AS round
                FROM deliveries
                WHERE issue_id = %(issue_id)s
                  AND outcome IN ('failed', 'rendering_failed', 'rejected')
                GROUP BY subscriber_id
            )
            SELECT subscriber_id, failed.round
            FROM failed LEFT JOIN later USING (subscriber_id)
            WHERE failed.round = coalesce(later.round, 1)
              AND NOT EXISTS (
                  SELECT FROM deliveries AS ledger
                  WHERE ledger.issue_id = %(issue_id)s
                    AND ledger.subscriber_id = failed.subscriber_id
                    AND ledger.outcome IN ('accepted', 'unresolved')
              )
            ORDER BY round, subscriber_id
            """,
            {"issue_id": issue_id.root},
        ).fetchall()
